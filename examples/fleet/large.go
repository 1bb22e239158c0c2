package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

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

// parts says where the parts of a message are.
type parts struct {
	Effect  string // the subject that the effect of the message will have
	Subject string // of the parts, without their numbers
	Count   int
}

// large puts messages that are too large for the engine aside, in parts. What
// a part is called depends on what it holds, so a delivery that is repeated
// finds its parts there, whichever worker wrote them. They are removed only
// after the effect of the message was committed: whoever has a reference looks
// for the effect first.
type large struct {
	conn    *nats.Conn
	stream  jetstream.Stream
	effects *effects
}

func openLarge(ctx context.Context, conn *nats.Conn, js jetstream.JetStream, table *effects) (*large, error) {
	stream, err := js.Stream(ctx, largeStream)
	if err != nil {
		return nil, err
	}
	return &large{conn, stream, table}, nil
}

// fits reports whether the engine takes a payload as it is. Its limit is known
// when a connection is made, so it is asked for each time.
func (l *large) fits(body []byte) bool { return int64(len(body)) <= l.conn.MaxPayload()-headerRoom }

// put stores the parts of a message and returns when the engine has confirmed
// all of them.
func (l *large) put(ctx context.Context, effect string, body []byte) (*parts, error) {
	// An answer to a read is the part in base64, which has to fit as well.
	size := int(min(partSize, l.conn.MaxPayload()/2))
	p := &parts{Effect: effect, Subject: fmt.Sprintf("%s.%x-%d", largeSubject(effect), sha256.Sum256(body), size)}
	for ; len(body) > 0; p.Count++ {
		n := min(size, len(body))
		if err := l.effects.commit(ctx, p.part(p.Count), body[:n]); err != nil && !errors.Is(err, errAlreadyDone) {
			return nil, err
		}
		body = body[n:]
	}
	return p, nil
}

// get puts the parts together.
func (l *large) get(ctx context.Context, p *parts) ([]byte, error) {
	var body bytes.Buffer
	for n := range p.Count {
		part, err := read(ctx, l.stream, p.part(n))
		if err != nil {
			return nil, err
		}
		if part == nil {
			return nil, fmt.Errorf("%w: a part of it is missing", errMessage)
		}
		body.Write(part)
	}
	return body.Bytes(), nil
}

// drop removes all parts of a message whose effect was committed.
func (l *large) drop(ctx context.Context, effect string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return l.stream.Purge(ctx, jetstream.WithPurgeSubject(largeSubject(effect)+".>"))
}

func (p *parts) part(n int) string { return fmt.Sprintf("%s.%d", p.Subject, n) }

func largeSubject(effect string) string { return "large." + strings.TrimPrefix(effect, "effects.") }

// encode returns the JSON of v. Unlike json.Marshal it leaves <, > and & as
// they are, which would take six bytes each.
func encode(v any) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return body.Bytes(), err
}
