package passforttest

import (
	"slices"
)

// Switches decide the points in which sources about the real API disagree, or
// on which they are silent. The zero value is what the newest and best source
// says.
type Switches struct {
	// CreatedStatus answers 201 instead of 200 where something is created.
	CreatedStatus bool
	// ErrorsInOK sends refusals with status 200, as an old client met them.
	ErrorsInOK bool
	// ErrorsAsObject sends one bare error object where the envelope normally
	// holds an array.
	ErrorsAsObject bool

	// PreconditionWithoutETag leaves the Etag header out of a 412.
	PreconditionWithoutETag bool
	// PreconditionEnvelope answers a 412 with an error envelope instead of the
	// latest data.
	PreconditionEnvelope bool
	// SingleQuotedETags writes W/'...' instead of W/"...".
	SingleQuotedETags bool
	// OriginalStructuredAddress makes the server keep a copy of every
	// structured address it receives in original_structured_address.
	OriginalStructuredAddress bool

	// ReadableImages lets a document image be read back: decrypted_data holds
	// a data URI unless full=false. Only images uploaded while the switch is on
	// have their content kept.
	ReadableImages bool
	// ReadableFiles does the same for files, with plain Base64.
	ReadableFiles bool
	// FileReadByPOST also answers a POST on the path of one file, as one guide
	// prints it.
	FileReadByPOST bool

	// RevertCreatesApplication makes a revert hide the old application and
	// create a new one; otherwise the same application goes back to APPLIED.
	RevertCreatesApplication bool
	// RequiredTaskIsVariant puts the id of the task variant, not of the task,
	// into required_tasks.
	RequiredTaskIsVariant bool
	// RepeatedDecisionRefused answers 102 or 103 when an application already
	// has the status that is being set; otherwise the call changes nothing.
	RepeatedDecisionRefused bool
	// ApprovedStays leaves an approved application as it is when a task that it
	// requires is opened, or expires. Otherwise it goes into review.
	ApprovedStays bool
	// ReviewByHand leaves an application in review to a person. Otherwise a product
	// with AutoApprove also approves what the smart policy itself put in review.
	ReviewByHand bool
	// OpenMatchesPass lets a clean screening pass its task while a match of an
	// earlier one waits to be resolved.
	OpenMatchesPass bool
	// VersionsAtExpiry makes the next version of a task appear when the old one
	// expires, and not some time before.
	VersionsAtExpiry bool
	// ExpiredInWindow sets is_expired of the old version of a task as soon as there
	// is a new one. Otherwise it is set when its time is over.
	ExpiredInWindow bool

	// EmptyBodies sends no body at all, instead of null, where a call has
	// no result.
	EmptyBodies bool

	// Lenient accepts bodies that the pages of docs/api rule out: values of the
	// wrong type, unknown values of closed sets, dates and countries of another
	// form, members in another case, addresses without a type. Otherwise they are
	// refused with status 400, code 201 and a JSON pointer in info.
	Lenient bool

	// ListOrder is the order of every list, profiles included.
	ListOrder ListOrder

	// RateLimitRetrySecs adds X-RateLimit-Retry-Secs to a 429: the seconds until
	// one request is allowed again.
	RateLimitRetrySecs bool
	// RetryAfter adds a Retry-After header to a 429.
	RetryAfter bool

	// RequestKeyObject sends the key of a new customer request as an object
	// {name, key, expiry} instead of a string.
	RequestKeyObject bool

	// BatchShape is the body of a webhook batch.
	BatchShape BatchShape
	// CollectedDataEvent names the event a change of collected data emits:
	// COLLECTED_DATA_UPDATED if empty.
	CollectedDataEvent string
	// DeprecatedEvents also emits the deprecated webhooks for profile status,
	// task completion and collection steps.
	DeprecatedEvents bool
}

// BatchShape is a form in which several webhook messages travel in one body.
// The real form is not published.
type BatchShape int

// The known guesses.
const (
	BatchArray  BatchShape = iota // a top-level array of messages
	BatchObject                   // an object with one array member, "events"
	BatchSingle                   // one message in a body of its own, even when batching
)

// SetSwitches replaces the switches.
func (s *Server) SetSwitches(sw Switches) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.sw.Store(&sw)
}

// ListOrder says which row of a list comes first. None is documented (docs/api/basics.md#lists).
type ListOrder int

// The orders that the simulator knows.
const (
	OldestFirst ListOrder = iota // as things were made
	NewestFirst
	Shuffled // another order each time
)

// ordered returns a list in the order of the switch.
func ordered[T any](w *world, l []T) []T {
	switch w.switches().ListOrder {
	case NewestFirst:
		l = slices.Clone(l)
		slices.Reverse(l)
	case Shuffled:
		l = slices.Clone(l)
		w.random.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
	}
	return orEmpty(l)
}
