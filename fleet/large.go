package fleet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
)

const (
	// headerRoom is what a payload leaves to the headers, which count as well.
	headerRoom = 4 << 10
	// partSize is the size of the parts of a message that does not fit.
	partSize = 512 << 10
)

// stored is what waits in the queue of a partition: a message, or where the
// parts of one are that is larger than the engine takes.
type stored struct {
	passfort.WebhookEvent
	Parts *parts `json:",omitempty"`
}

// parts says where the parts of a message are. What a part is called depends on what
// it holds, so a delivery that is repeated finds the parts there, whichever process
// wrote them. They are removed only after the effect of the message was committed:
// whoever has a reference looks for the effect first.
type parts struct {
	Effect  string // the subject that the effect of the message will have
	Subject string // of the parts, without their numbers
	Count   int
}

func (p *parts) part(n int) string { return fmt.Sprintf("%s.%d", p.Subject, n) }

// fits reports whether the engine takes a payload as it is. Its limit is known
// when a connection is made, so it is asked for each time.
func (f *Fleet) fits(body []byte) bool { return int64(len(body)) <= f.conn.MaxPayload()-headerRoom }

// putParts stores the parts of a message and returns when the engine has confirmed
// all of them.
func (f *Fleet) putParts(ctx context.Context, effect string, body []byte) (*parts, error) {
	// An answer to a read is the part in base64, which has to fit as well.
	size := int(min(partSize, f.conn.MaxPayload()/2))
	p := &parts{
		Effect: effect, Subject: fmt.Sprintf("%s.%x-%d", f.names.parts(effect), sha256.Sum256(body), size),
	}
	for ; len(body) > 0; p.Count++ {
		n := min(size, len(body))
		msg := &nats.Msg{Subject: p.part(p.Count), Data: body[:n]}
		if err := f.commit(ctx, msg); err != nil && !errors.Is(err, errAlreadyDone) {
			return nil, err
		}
		body = body[n:]
	}
	return p, nil
}

// getParts puts the parts together.
func (f *Fleet) getParts(ctx context.Context, p *parts) ([]byte, error) {
	var body bytes.Buffer
	for n := range p.Count {
		part, err := f.last(ctx, largeStream, p.part(n))
		if err != nil {
			return nil, err
		}
		if part == nil {
			return nil, fmt.Errorf("%w: a part of it is missing", ErrMessage)
		}
		body.Write(part.Data)
	}
	return body.Bytes(), nil
}

// dropParts removes all parts of a message whose effect was committed, or which a
// person purges.
func (f *Fleet) dropParts(ctx context.Context, effect string) error {
	stream, err := f.stream(ctx, largeStream)
	if err != nil {
		return err
	}
	_, err = ask(ctx, f, "remove the parts of a message", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, stream.Purge(ctx, jetstream.WithPurgeSubject(f.names.parts(effect)+".>"))
	})
	return err
}

// encode returns the JSON of v. Unlike json.Marshal it leaves <, > and & as
// they are, which would take six bytes each.
func encode(v any) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return body.Bytes(), err
}
