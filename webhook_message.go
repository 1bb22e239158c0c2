package passfort

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/passfort-go/passfort/internal/wire"
)

var (
	// ErrWebhookUnauthorized means that a delivery does not carry the secret as it
	// must. Answer 401 and do not look at the body.
	ErrWebhookUnauthorized = errors.New("passfort: webhook without the right secret")
	// ErrWebhookMalformed means that an authenticated delivery, or the data of a
	// message, is not what a webhook looks like. Keep the body before you
	// acknowledge it.
	ErrWebhookMalformed = errors.New("passfort: malformed webhook")
)

// ParseWebhook authenticates a delivery and returns its messages, for servers
// that cannot use a WebhookHandler. The caller cares for duplicates.
//
// The header "Authorization: Bearer <secret>" must carry one of the secrets. If it is missing,
// every message must carry one in its body, or the object that holds them; in any case none may
// carry another one (docs/api/webhooks.md#authentication). Otherwise the error is
// ErrWebhookUnauthorized, also when there is no secret to compare with. A body without a right
// header that cannot be read counts as unauthorized too.
//
// The body may be one message, an array of messages, or an object with one array of messages
// (docs/api/webhooks.md#messages). Anything else, an empty batch and a member that appears twice
// are ErrWebhookMalformed, as is an id, or the name of an event, of over 64 KiB; a reference or a
// user of that size is in the Data of the event alone. Text that is not Unicode, a name cut inside
// an emoji say, is read with U+FFFD for what is broken. The events share no memory with body.
func ParseWebhook(h http.Header, body []byte, secrets ...string) ([]WebhookEvent, error) {
	sums, err := sumSecrets(secrets)
	if err != nil {
		return nil, errors.Join(err, ErrWebhookUnauthorized)
	}
	messages, err := parseWebhook(sums, sums.header(h), body)
	if err != nil {
		return nil, err
	}
	events := make([]WebhookEvent, len(messages))
	for i, m := range messages {
		events[i] = m.event
	}
	return events, nil
}

// secretSums check secrets. They hold hashes of the accepted ones, in a closure
// that no print form reaches: comparing hashes keeps the time independent of the
// length of a secret.
type secretSums struct {
	check   func(candidate string) secretState
	longest int // value of a body that may be one; it says nothing of shorter secrets
}

// secretState is what was found where a secret is expected.
type secretState int

const (
	secretMissing secretState = iota
	secretRight
	secretWrong
)

func sumSecrets(secrets []string) (secretSums, error) {
	if len(secrets) == 0 {
		return secretSums{}, errors.New("passfort: webhooks need a secret")
	}
	longest := minLongestSecret
	sums := make([][sha256.Size]byte, len(secrets))
	for i, s := range secrets {
		if strings.TrimSpace(s) == "" {
			return secretSums{}, errors.New("passfort: a webhook secret is empty")
		}
		if problem := secretProblem(s); problem != "" {
			return secretSums{}, errors.New("passfort: a webhook secret " + problem)
		}
		sums[i] = sha256.Sum256([]byte(s))
		longest = max(longest, len(`\u0000`)*len(s)+2) // all of it escaped, in quotes
	}
	return secretSums{longest: longest, check: func(candidate string) secretState {
		sum := sha256.Sum256([]byte(candidate))
		found := 0
		for i := range sums {
			found |= subtle.ConstantTimeCompare(sum[:], sums[i][:])
		}
		if found == 1 {
			return secretRight
		}
		return secretWrong
	}}, nil
}

// minSecret is the shortest secret in bytes: one character can be guessed.
const minSecret = 2

// minLongestSecret keeps the bound of a value that may be a secret from saying how long
// a usual one is.
const minLongestSecret = 8 << 10

// secretProblem says why a secret could never be received, or keeps no stranger out, or
// returns "".
func secretProblem(secret string) string {
	switch {
	case strings.TrimSpace(secret) != secret:
		return "has white space around it, such as the line break of a file"
	case len(secret) < minSecret:
		return "is one character"
	case !isHeaderText(secret):
		return "has characters that the Authorization header carries in more than one way or not at all: use ASCII"
	}
	return ""
}

// header checks the Authorization header, whatever the case of its name.
func (s secretSums) header(h http.Header) secretState {
	var values []string
	for name, v := range h {
		if strings.EqualFold(name, "Authorization") {
			values = append(values, v...)
		}
	}
	if len(values) == 0 {
		return secretMissing
	}
	scheme, secret, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return secretWrong
	}
	return s.check(strings.TrimSpace(secret))
}

// signed reports whether what was received so far of a body without the header may
// belong to a delivery with the secret. Of a whole body every message has to carry
// it, or the object that holds them; of the beginning of one, at least one message
// or that object. It keeps nothing of the body.
func (s secretSums) signed(body []byte, whole bool) bool {
	scan := secretScan{secrets: s, json: wire.NewReader(body)}
	complete := scan.delivery() != nil
	switch {
	case scan.wrong, scan.unsigned && !scan.outer && scan.alone, !scan.right:
		return false
	case whole:
		return complete && (scan.outer || !scan.unsigned)
	}
	return true
}

// secretScan looks for secrets where a delivery may have them: in the outermost
// object, and in the objects of an array. What it reads is nil where the body is cut off.
type secretScan struct {
	secrets secretSums
	json    *wire.Reader

	right    bool // one was found
	outer    bool // the outermost object has it
	unsigned bool // an object of an array has none
	alone    bool // there is no outermost object that could speak for it
	wrong    bool
}

func (s *secretScan) delivery() []byte {
	switch s.json.Kind() {
	case '[':
		s.alone = true
		return s.list()
	case '{':
		return s.object(true)
	}
	return s.json.Value()
}

func (s *secretScan) list() []byte {
	return s.json.Array(func() {
		if s.json.Kind() == '{' {
			s.object(false)
		}
	})
}

func (s *secretScan) object(outermost bool) []byte {
	signed := false
	text := s.json.Object(func(name string) {
		switch {
		case name == "secret":
			kind := s.json.Kind()
			secret := s.json.Value()
			if secret == nil && kind != '{' && kind != '[' {
				return
			}
			state := s.secrets.value(secret)
			s.wrong, signed = s.wrong || state == secretWrong, signed || state == secretRight
			s.right = s.right || signed
			s.outer = s.outer || signed && outermost
		case outermost && s.json.Kind() == '[':
			s.list()
		}
	})
	s.unsigned = s.unsigned || text != nil && !signed && !outermost
	return text
}

// webhookMessage is one message of a delivery.
type webhookMessage struct {
	event  WebhookEvent
	key    string // what the store knows the message by
	secret secretState
}

// parseWebhook reads the messages of a delivery and checks their secrets.
func parseWebhook(secrets secretSums, header secretState, body []byte) ([]webhookMessage, error) {
	if header == secretWrong {
		return nil, ErrWebhookUnauthorized
	}
	if header == secretMissing && !secrets.signed(body, true) {
		return nil, ErrWebhookUnauthorized
	}
	r := webhookReader{secrets: secrets, json: wire.NewReader(body)}
	messages, err := r.delivery()
	if err != nil && header == secretMissing {
		return nil, ErrWebhookUnauthorized
	}
	if err != nil {
		return nil, ErrWebhookMalformed
	}
	for _, m := range messages {
		if m.secret == secretWrong || m.secret == secretMissing && header == secretMissing {
			return nil, ErrWebhookUnauthorized
		}
	}
	return messages, nil
}

// webhookReader reads a body in one pass.
type webhookReader struct {
	secrets secretSums
	json    *wire.Reader
	refused bool // an id was too long: without it two messages could pass for one
}

// maxWebhookMessages is how many messages a delivery may have.
const maxWebhookMessages = 20_000

var errNoWebhook = errors.New("not a webhook")

func (r *webhookReader) delivery() ([]webhookMessage, error) {
	var messages []webhookMessage
	isWebhook := false
	switch r.json.Kind() {
	case '{':
		messages, isWebhook = r.envelopeOrBatch()
	case '[':
		messages, isWebhook, _ = r.list()
	}
	if !isWebhook || len(messages) == 0 || r.refused || !r.json.Ended() {
		return nil, errNoWebhook
	}
	for i := range messages {
		messages[i].key = messages[i].event.Key()
	}
	return messages, nil
}

// envelopeOrBatch reads the object a body consists of: a message if it has an
// event, otherwise an object with exactly one array of messages.
func (r *webhookReader) envelopeOrBatch() (messages []webhookMessage, isWebhook bool) {
	var batch []webhookMessage
	batches := 0
	m := r.envelope(func() []byte {
		if batches > 1 { // no more than two are held at once
			return r.json.Value()
		}
		list, all, text := r.list()
		if all && len(list) > 0 {
			batch = list
			batches++
		}
		return text
	})
	switch {
	case m.event.Event != "":
		return []webhookMessage{m}, true
	case batches != 1:
		return nil, false
	}
	// The object's own secret speaks for the messages that carry none; a wrong
	// one is as wrong as a message's.
	for i := range batch {
		message := &batch[i]
		if m.secret == secretWrong || message.secret == secretMissing {
			message.secret = m.secret
		}
	}
	return batch, true
}

// list reads an array, and reports whether all of its elements are messages, and not
// too many. It also returns its text.
func (r *webhookReader) list() (messages []webhookMessage, all bool, text []byte) {
	all = true
	text = r.json.Array(func() {
		if all = all && r.json.Kind() == '{' && len(messages) < maxWebhookMessages; !all {
			return
		}
		m := r.envelope(nil)
		messages, all = append(messages, m), m.event.Event != ""
	})
	return messages, all, text
}

// envelope reads an object as a message, which it is if it names an event. OnList, unless
// nil, reads the values that are arrays and returns their text.
func (r *webhookReader) envelope(onList func() []byte) (m webhookMessage) {
	r.json.Object(func(name string) {
		switch {
		case name == "secret":
			m.secret = r.secrets.value(r.json.Value())
		case name == "data":
			m.event.Data = bytes.Clone(r.data(&m.event, onList))
		case onList != nil && r.json.Kind() == '[':
			onList()
		case name == "id":
			id := r.json.Value()
			if r.refused = r.refused || len(id) > longestPart; !r.refused {
				m.event.ID = scalar(id)
			}
		case name == "event":
			m.event.Event = EventName(wire.Text(r.part())).spelled()
		case name == "timestamp":
			m.event.Timestamp = unixTime(scalar(r.part()))
		}
	})
	return m
}

// value checks the secret of a message. An empty one is as good as none.
func (s secretSums) value(v []byte) secretState {
	if len(v) > s.longest {
		return secretWrong
	}
	switch secret := wire.Text(v); {
	case secret != "":
		return s.check(secret)
	case string(v) == "null" || string(v) == `""`:
		return secretMissing
	}
	return secretWrong
}

// data reads the data of a message, and of an object the members that those of all
// events have in common (docs/api/webhooks.md#messages). One of another type than
// expected, and a very long one, is left out.
func (r *webhookReader) data(e *WebhookEvent, onList func() []byte) []byte {
	switch kind := r.json.Kind(); {
	case kind == '[' && onList != nil:
		return onList()
	case kind != '{':
		return r.json.Value()
	}
	return r.json.Object(func(name string) {
		switch name {
		case "profile_id":
			e.ProfileID = wire.Text(r.part())
		case "customer_ref":
			e.CustomerRef = wire.Text(r.part())
		case "user":
			var user User
			if wire.Unmarshal(r.part(), &user) == nil {
				e.User = &user
			}
		case "apikey":
			var key APIKeyRef
			if wire.Unmarshal(r.part(), &key) == nil {
				e.APIKeyName = key.Name
			}
		}
	})
}

// longestPart is how many bytes a part of a message may have that is read for the caller.
// What is longer takes many times as much memory.
const longestPart = 64 << 10

// part passes over the next value and returns its text, nil if it is too long.
func (r *webhookReader) part() []byte {
	part := r.json.Value()
	if len(part) > longestPart {
		return nil
	}
	return part
}

// scalar returns the text of a string or the digits of a number.
func scalar(v []byte) string {
	if len(v) > 0 && (v[0] == '-' || '0' <= v[0] && v[0] <= '9') {
		return string(v)
	}
	return wire.Text(v)
}

// unixTime reads Unix seconds, leniently: what makes no sense is the zero time.
func unixTime(s string) time.Time {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n < -maxUnix || n > maxUnix {
			return time.Time{}
		}
		return time.Unix(n, 0).UTC()
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > maxUnix {
		return time.Time{}
	}
	seconds, fraction := math.Modf(f)
	return time.Unix(int64(seconds), int64(fraction*1e9)).UTC()
}

// maxUnix is a second in the year 9999.
const maxUnix = 253_402_300_799
