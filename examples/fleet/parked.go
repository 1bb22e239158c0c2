package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// runParked lists, shows, replays or purges the messages that were put aside.
func runParked(ctx context.Context, p *program, args []string) error {
	flags := flag.NewFlagSet("parked", flag.ContinueOnError)
	id := flags.Uint64("id", 0, "`number` of a message, as list prints it; 0: all of them, for replay and purge")
	yes := flags.Bool("yes", false, "purge for good")
	word := ""
	if len(args) > 0 {
		word, args = args[0], args[1:]
	}
	if !slices.Contains([]string{"list", "show", "replay", "purge"}, word) {
		_, _ = fmt.Fprintln(p.stderr, "fleet parked: say list, show, replay or purge")
		return errUsage
	}
	if err := p.parse(flags, args); err != nil {
		return err
	}
	switch {
	case word == "show" && *id == 0:
		_, _ = fmt.Fprintln(p.stderr, "fleet parked show: which -id?")
		return errUsage
	case word == "purge" && !*yes:
		_, _ = fmt.Fprintln(p.stderr,
			"fleet parked purge: this removes messages that were never handled; give -yes to do that")
		return errUsage
	}
	conn, js, err := p.dial(ctx, "fleet-parked")
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := js.Stream(ctx, parkedStream)
	if err != nil {
		return err
	}
	state := stream.CachedInfo().State
	first, last := state.FirstSeq, state.LastSeq
	if *id != 0 {
		first, last = *id, *id
	}
	n := 0
	for at := first; at <= last && state.Msgs > 0; at++ {
		msg, err := stream.GetMsg(ctx, at)
		if err != nil {
			if *id == 0 && errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			return fmt.Errorf("message %d: %s", at, cause(err))
		}
		if err := p.parked(ctx, js, stream, word, msg); err != nil {
			return err
		}
		n++
	}
	if word != "show" {
		_, _ = fmt.Fprintf(p.stdout, "%d messages\n", n)
	}
	return nil
}

// parked does one thing with one message.
func (p *program) parked(
	ctx context.Context, js jetstream.JetStream, stream jetstream.Stream, word string, msg *jetstream.RawStreamMsg,
) error {
	switch word {
	case "list":
		_, _ = fmt.Fprintf(p.stdout, "%d  %s  %d bytes\n", msg.Sequence, msg.Time.UTC().Format(time.RFC3339),
			len(msg.Data))
		return nil
	case "show":
		_, err := fmt.Fprintf(p.stdout, "%s\n", msg.Data)
		return err
	case "replay":
		if err := replay(ctx, js, msg.Data); err != nil {
			return fmt.Errorf("message %d stays parked: %s", msg.Sequence, cause(err))
		}
	case "purge":
		if err := dropParts(ctx, js, msg.Data); err != nil {
			return fmt.Errorf("message %d stays parked: %s", msg.Sequence, cause(err))
		}
	}
	return stream.DeleteMsg(ctx, msg.Sequence)
}

// replay puts a parked message at the end of the queue of its profile. Messages
// of the profile that came after it may have been handled before.
func replay(ctx context.Context, js jetstream.JetStream, body []byte) error {
	of, err := partitionsOf(ctx, js)
	if err != nil {
		return err
	}
	m, err := readParked(body)
	if err != nil {
		return err
	}
	_, err = js.Publish(ctx, partitionSubject(partition(m.ProfileID, of), of), body)
	return err
}

// readParked reads a message as it waited in the queue.
func readParked(body []byte) (m stored, err error) {
	if json.Unmarshal(body, &m) != nil {
		return m, errUnreadable
	}
	return m, nil
}

// dropParts removes the parts of a large message.
func dropParts(ctx context.Context, js jetstream.JetStream, body []byte) error {
	m, _ := readParked(body) // what cannot be read has no parts
	if m.Parts == nil {
		return nil
	}
	stream, err := js.Stream(ctx, largeStream)
	if err != nil {
		return err
	}
	return (&large{stream: stream}).drop(ctx, m.Parts.Effect)
}
