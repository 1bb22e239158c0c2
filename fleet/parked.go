package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
)

// The headers of a parked message.
const (
	causeHeader = "Fleet-Cause"
	triesHeader = "Fleet-Tries"
)

// hashOf is a short name for what a message holds.
func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

// ErrNotParked means that there is no parked message of a number: it was replayed,
// purged or removed by age, or never was.
var ErrNotParked = errors.New("there is no parked message of this number")

// ParkedMessage is a message that kept failing and made way for those behind it.
type ParkedMessage struct {
	// ID is the number of the message, for [Fleet.Replay] and [Fleet.Purge].
	ID uint64
	// At is when it was parked.
	At time.Time
	// Cause is why, as of [Cause].
	Cause string
	// Tries is how often it was tried.
	Tries uint64
	// Bytes is its size in the stream of parked messages. The parts of a large one do
	// not count.
	Bytes int

	raw []byte
}

func parkedOf(msg *jetstream.RawStreamMsg) *ParkedMessage {
	tries, _ := strconv.ParseUint(msg.Header.Get(triesHeader), 10, 64)
	return &ParkedMessage{
		ID: msg.Sequence, At: msg.Time, Cause: msg.Header.Get(causeHeader), Tries: tries, Bytes: len(msg.Data),
		raw: msg.Data,
	}
}

// Parked returns the parked messages, the oldest first. It ends with the first error.
// Messages may be replayed or purged meanwhile.
func (f *Fleet) Parked(ctx context.Context) iter.Seq2[*ParkedMessage, error] {
	return func(yield func(*ParkedMessage, error) bool) {
		for at := uint64(1); ; {
			// The engine gives the first message that has this number or a higher one.
			msg, err := f.parked(ctx, at, jetstream.WithGetMsgSubject(f.names.subject("parked", ">")))
			if errors.Is(err, ErrNotParked) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(parkedOf(msg), nil) {
				return
			}
			at = msg.Sequence + 1
		}
	}
}

func (f *Fleet) parked(
	ctx context.Context, id uint64, opts ...jetstream.GetMsgOpt,
) (*jetstream.RawStreamMsg, error) {
	stream, err := f.stream(ctx, parkedStream)
	if err != nil {
		return nil, err
	}
	msg, err := ask(ctx, f, "read "+f.names.stream(parkedStream),
		func(ctx context.Context) (*jetstream.RawStreamMsg, error) { return stream.GetMsg(ctx, id, opts...) })
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("fleet: message %d: %w", id, ErrNotParked)
	}
	return msg, err
}

// ParkedEvent returns the message of a parked one, put together if it was large. It
// holds personal data. The error is [ErrNotParked] if there is none.
func (f *Fleet) ParkedEvent(ctx context.Context, id uint64) (*passfort.WebhookEvent, error) {
	msg, err := f.parked(ctx, id)
	if err != nil {
		return nil, err
	}
	m, err := readStored(msg.Data)
	if err != nil {
		return nil, err
	}
	if m.Parts == nil {
		return &m.WebhookEvent, nil
	}
	body, err := f.getParts(ctx, m.Parts)
	if err != nil {
		return nil, err
	}
	var e passfort.WebhookEvent
	if json.Unmarshal(body, &e) != nil {
		return nil, errUnreadable
	}
	return &e, nil
}

// Replay puts a parked message at the end of the queue of its profile. Messages of the
// profile that came after it may have been handled before. If it fails, the message
// stays parked; if it is repeated, the message is handled once all the same.
func (f *Fleet) Replay(ctx context.Context, id uint64) error {
	msg, err := f.parked(ctx, id)
	if err != nil {
		return err
	}
	m, err := readStored(msg.Data)
	if err != nil {
		return fmt.Errorf("fleet: message %d: %w", id, err)
	}
	if _, err := f.enqueue(ctx, m.ProfileID, msg.Data); err != nil {
		return err
	}
	return f.unpark(ctx, id)
}

// Purge removes a parked message for good, with the parts of a large one. It was never
// handled.
func (f *Fleet) Purge(ctx context.Context, id uint64) error {
	msg, err := f.parked(ctx, id)
	if err != nil {
		return err
	}
	m, _ := readStored(msg.Data) // what cannot be read has no parts
	if m.Parts != nil {
		if err := f.dropParts(ctx, m.Parts.Effect); err != nil {
			return err
		}
	}
	return f.unpark(ctx, id)
}

func (f *Fleet) unpark(ctx context.Context, id uint64) error {
	stream, err := f.stream(ctx, parkedStream)
	if err != nil {
		return err
	}
	_, err = ask(ctx, f, "remove a parked message", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, stream.DeleteMsg(ctx, id)
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	return err
}
