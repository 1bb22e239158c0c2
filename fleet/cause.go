package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
)

// Cause returns a fixed word for why something failed, for a log line: "login refused",
// "permission missing: publish to ...", "jetstream 10077", "passfort 422". It holds
// nothing of what was sent, no address and no id. What it does not know is the name of
// the error's type.
func Cause(err error) string {
	var refused *jetstream.APIError
	var api *passfort.Error
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return "no such message"
	case errors.Is(err, errUnreadable):
		return "unreadable"
	case errors.Is(err, ErrNoFleet):
		return "no fleet of this prefix"
	case errors.Is(err, ErrMessage):
		return "the message is at fault"
	case errors.Is(err, errNoOrder):
		return "the list keeps no order"
	case errors.Is(err, errUnknownKind):
		return "unknown kind of job"
	case errors.Is(err, ErrDenied), errors.Is(err, nats.ErrPermissionViolation):
		return "permission missing: " + deniedSubject(err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return "jetstream is not enabled"
	case errors.As(err, &refused):
		return "jetstream " + strconv.Itoa(int(refused.ErrorCode))
	case errors.As(err, &api):
		return "passfort " + strconv.Itoa(api.StatusCode)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired),
		errors.Is(err, nats.ErrAccountAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return "login refused"
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, errClosed):
		return "the connection is closed"
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, nats.ErrConnectionReconnecting):
		return "no connection"
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return "no stream takes it"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return "no answer in time"
	case errors.Is(err, jetstream.ErrNoHeartbeat):
		return "no sign of life from the queue"
	default:
		return typeName(err)
	}
}

// typeName returns the type of the error that others were wrapped around.
func typeName(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return fmt.Sprintf("%T", err)
		}
		err = inner
	}
}

var deniedRe = regexp.MustCompile(`(?i)violation for (publish|subscription) to "([^"]*)"`)

// deniedSubject says what was not permitted, without what may name a profile.
func deniedSubject(err error) string {
	found := deniedRe.FindStringSubmatch(err.Error())
	if found == nil {
		return "see the log of the engine"
	}
	what, subject := strings.ToLower(found[1]), found[2]
	if what == "subscription" {
		what = "subscribe"
	}
	switch tokens := strings.Split(subject, "."); {
	case strings.HasPrefix(subject, "$JS.ACK."):
		subject = "$JS.ACK.>"
	case strings.HasPrefix(subject, "_INBOX."):
		subject = "_INBOX.>"
	case tokens[0] == "$JS" && slices.Contains(tokens, "DIRECT"): // the subject that is read follows the stream
		at := slices.Index(tokens, "DIRECT") + 3
		subject = strings.Join(tokens[:min(at, len(tokens))], ".") + ".>"
	case !strings.HasPrefix(subject, "$JS.") && len(tokens) > 2:
		subject = strings.Join(tokens[:2], ".") + ".>"
	}
	return what + " to " + subject
}

// denied is an error of the engine about permissions, without ids.
type denied struct{ what string }

// Error has the form that deniedSubject reads.
func (d *denied) Error() string {
	verb, subject, _ := strings.Cut(d.what, " to ")
	if verb == "subscribe" {
		verb = "subscription"
	}
	return fmt.Sprintf("%v: violation for %s to %q", ErrDenied, verb, subject)
}

func (d *denied) Unwrap() error { return ErrDenied }

// engineError names the cause of a failure: what is not permitted has no answer, and
// the engine says so beside.
func (f *Fleet) engineError(what string, before, err error) error {
	last := f.conn.LastError()
	fresh := last != before //nolint:errorlint // whether it is this very one
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("fleet: %s: %w: %w", what, ErrNoFleet, err)
	case fresh && errors.Is(last, nats.ErrPermissionViolation) && silent(err) && f.concerns(deniedSubject(last)):
		return fmt.Errorf("fleet: %s: %w", what, &denied{deniedSubject(last)})
	case errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("fleet: %s: there is no JetStream here, or none of the domain: %w", what,
			jetstream.ErrJetStreamNotEnabled)
	default:
		return fmt.Errorf("fleet: %s: %w", what, err)
	}
}

// concerns reports whether what was denied is of the fleet or of the answers of the engine,
// and not of something else that has the connection too.
func (f *Fleet) concerns(what string) bool {
	_, subject, _ := strings.Cut(what, " to ")
	answers := strings.SplitN(cmp.Or(f.conn.Opts.InboxPrefix, nats.InboxPrefix), ".", 2)[0] + "."
	of := func(token string) bool { return strings.HasPrefix(token, string(f.names)+"_") }
	return strings.HasPrefix(subject, string(f.names)+".") || strings.HasPrefix(subject, answers) ||
		strings.HasPrefix(subject, "$JS.") && (subject == "$JS.ACK.>" ||
			slices.ContainsFunc(strings.Split(subject, "."), of))
}

// silent reports whether no answer came, or none of a stream.
func silent(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, jetstream.ErrNoHeartbeat) || errors.Is(err, jetstream.ErrNoStreamResponse)
}

// complaintEvery is how often the same complaint is logged.
const complaintEvery = 30 * time.Second

// complain logs what does not work and is tried again, not more often than need be.
func (f *Fleet) complain(what string, err error) {
	why := Cause(err)
	f.mu.Lock()
	at, now := f.said[what+why], time.Now()
	again := now.Sub(at) < complaintEvery
	if !again {
		f.said[what+why] = now
	}
	f.mu.Unlock()
	if !again {
		f.log.Warn(what, "cause", why)
	}
}
