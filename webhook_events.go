package passfort

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/passfort-go/passfort/internal/wire"
)

// EventName is the name of a webhook event. Names are compared without case:
// the events of a WebhookHandler and of ParseWebhook carry the spelling of the
// constant where there is one.
//
// Passfort does not publish the names (docs/api/webhooks.md#event-names). The comment of each
// constant says how sure name and payload are: documented means by Passfort, observed means found
// in the code of a customer, guess means the label of the portal written in the pattern of the
// other names.
type EventName string

// Values of EventName. Others may appear at any time, and are delivered to HandleAll.
const (
	// EventProductStatusChanged: the status of an application changed. Name and
	// payload documented. See WebhookEvent.ProductStatusChanged.
	EventProductStatusChanged EventName = "PRODUCT_STATUS_CHANGED"
	// EventCollectedDataUpdated: collected data changed. Deprecated by Passfort in
	// favour of the next. Name documented, payload mostly documented. See
	// WebhookEvent.CollectedDataChange.
	EventCollectedDataUpdated EventName = "COLLECTED_DATA_UPDATED"
	// EventCollectedDataChanged: collected data changed. Name a guess; the payload
	// is described as that of the former.
	EventCollectedDataChanged EventName = "COLLECTED_DATA_CHANGED"
	// EventCheckCompleted: a check finished, with or without errors. Name and
	// payload observed. See WebhookEvent.CheckCompleted.
	EventCheckCompleted EventName = "CHECK_COMPLETED"
	// EventManualActionRequired: an application needs a person to proceed. Name
	// and payload observed. See WebhookEvent.ManualActionRequired.
	EventManualActionRequired EventName = "MANUAL_ACTION_REQUIRED"
	// EventProductBadgeChanged: the flag of an application changed. Name a weak
	// guess, payload unknown.
	EventProductBadgeChanged EventName = "PRODUCT_BADGE_CHANGED"
	// EventTaskCreated: a task was created. Name a guess, payload unknown.
	EventTaskCreated EventName = "TASK_CREATED"
	// EventTaskStateChanged: a task passed, failed or became incomplete. Name a
	// guess, payload unknown.
	EventTaskStateChanged EventName = "TASK_STATE_CHANGED"
	// EventRiskLevelChanged: only with the Risk module. Name a guess, payload unknown.
	EventRiskLevelChanged EventName = "RISK_LEVEL_CHANGED"
	// EventRiskScoreChanged: only with the Risk module. Name a guess, payload unknown.
	EventRiskScoreChanged EventName = "RISK_SCORE_CHANGED"
	// EventFormStateChanged: a custom form was created, submitted, approved and so
	// on. Name a guess, payload unknown.
	EventFormStateChanged EventName = "FORM_STATE_CHANGED"
	// EventCustomerRequestChanged: a customer request was sent, completed or
	// expired. The name is documented in lower case, the payload unknown but for
	// the state in it. See WebhookEvent.CustomerRequestChanged.
	EventCustomerRequestChanged EventName = "CUSTOMER_REQUEST_CHANGED"
	// EventEventsCreated: new findings on a profile. Name a guess; the items of the
	// payload are documented, their place is not. See WebhookEvent.EventsChanged.
	EventEventsCreated EventName = "EVENTS_CREATED"
	// EventEventsUpdated: findings were resolved or changed. As sure as EventEventsCreated.
	EventEventsUpdated EventName = "EVENTS_UPDATED"
	// EventProfileStatusChanged is deprecated by Passfort. Name a guess, payload unknown.
	EventProfileStatusChanged EventName = "PROFILE_STATUS_CHANGED"
	// EventTaskIsCompleteChanged is deprecated by Passfort. Name a guess, payload unknown.
	EventTaskIsCompleteChanged EventName = "TASK_IS_COMPLETE_CHANGED"
	// EventCollectionStepsCompleted is deprecated by Passfort. Name a guess, payload unknown.
	EventCollectionStepsCompleted EventName = "COLLECTION_STEPS_COMPLETED"
)

// Known reports whether this version of the package has a constant for the
// name, in any case.
func (e EventName) Known() bool {
	switch e.canonical() {
	case EventProductStatusChanged,
		EventCollectedDataUpdated,
		EventCollectedDataChanged,
		EventCheckCompleted,
		EventManualActionRequired,
		EventProductBadgeChanged,
		EventTaskCreated,
		EventTaskStateChanged,
		EventRiskLevelChanged,
		EventRiskScoreChanged,
		EventFormStateChanged,
		EventCustomerRequestChanged,
		EventEventsCreated,
		EventEventsUpdated,
		EventProfileStatusChanged,
		EventTaskIsCompleteChanged,
		EventCollectionStepsCompleted:
		return true
	}
	return false
}

func (e EventName) canonical() EventName { return EventName(strings.ToUpper(string(e))) }

// spelled returns the constant for a known name, an unknown name as it is.
func (e EventName) spelled() EventName {
	if e.Known() {
		return e.canonical()
	}
	return e
}

// label returns what may be logged of a name that came from outside.
func (e EventName) label() EventName {
	if e.Known() {
		return e.canonical()
	}
	return "unknown"
}

// WebhookEvent is one message of Passfort (docs/api/webhooks.md#messages). The shared secret that
// came with it is not part of it.
type WebhookEvent struct {
	// ID is the message's own. Whether a repeated delivery keeps it is not
	// documented; it identifies duplicates all the same.
	ID    string
	Event EventName
	// Timestamp has a resolution of one second, so it cannot order a burst. It is
	// zero if the message has none that makes sense.
	Timestamp time.Time
	// ProfileID, CustomerRef, User and APIKeyName are taken from Data, where
	// Passfort puts them for all events seen so far. They are empty if absent.
	ProfileID   string
	CustomerRef string
	// User is the person in the portal who caused the event, nil if none did.
	User *User
	// APIKeyName names the API key that caused the event.
	APIKeyName string
	// Data is the payload, unchanged: personal data. Accessors such as
	// CheckCompleted decode it.
	Data json.RawMessage
}

// Key returns what a WebhookStore knows the message by, for programs that
// deduplicate elsewhere, such as in a queue: the profile and the ID with a slash
// between, the ID alone if no profile is named, or a hash of both, of the event, its
// timestamp and Data if there is no ID or the key would be long or ambiguous. Ids of messages are
// unique within a profile only, as far as is known. It is
// at most 128 bytes long. Version 0.1 returned the ID alone; a WebhookHandler still
// recognises keys that it stored.
func (e *WebhookEvent) Key() string {
	switch {
	case e.ID == "" || len(e.ProfileID)+len("/")+len(e.ID) > maxWebhookKey || strings.Contains(e.ProfileID, "/"):
	case e.ProfileID != "":
		return e.ProfileID + "/" + e.ID
	case !strings.Contains(e.ID, "/") && !strings.HasPrefix(e.ID, "sha256:"):
		return e.ID
	}
	return e.hash(e.ProfileID, e.ID, string(e.Event), e.Timestamp.Format(time.RFC3339Nano))
}

// maxWebhookKey is the longest key of a message in bytes.
const maxWebhookKey = 128

// oldKey returns the key of version 0.1.
func (e *WebhookEvent) oldKey() string {
	if e.ID != "" && len(e.ID) <= maxWebhookKey {
		return e.ID
	}
	return e.hash(e.ID, string(e.Event), e.Timestamp.Format(time.RFC3339Nano))
}

func (e *WebhookEvent) hash(parts ...string) string {
	list, _ := json.Marshal(parts)
	h := sha256.New()
	h.Write(list)
	h.Write(e.Data)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Origin says who caused an event.
type Origin string

// Values of Origin.
const (
	OriginUser   Origin = "user"    // a person in the portal
	OriginAPIKey Origin = "api_key" // an API key: perhaps your own call
	OriginSystem Origin = "system"  // neither is named: mostly the smart policy
)

// Origin says who caused the event: the user if there is one, else the API key, else the system
// (docs/api/webhooks.md#loops). To tell your own writes from others', give each system its own key
// and compare APIKeyName. For collected data events the guide says that no user means the API, even
// where no key is named, so compare the data as well.
func (e *WebhookEvent) Origin() Origin {
	switch {
	case e.User != nil:
		return OriginUser
	case e.APIKeyName != "", e.namesKey():
		return OriginAPIKey
	}
	return OriginSystem
}

// namesKey reports whether Data holds an API key, which may have no name.
func (e *WebhookEvent) namesKey() bool {
	var data struct {
		APIKey *APIKeyRef `json:"apikey"`
	}
	return wire.Unmarshal(e.Data, &data) == nil && data.APIKey != nil
}

// ErrWrongEvent is returned by an accessor of WebhookEvent that does not belong
// to the event.
var ErrWrongEvent = errors.New("passfort: the webhook is about another event")

// maxPayload is how much memory the value of an event's data may take up.
const maxPayload = 128 << 20

// payload decodes the data of an event that must have one of the names.
func (e *WebhookEvent) payload(v any, names ...EventName) error {
	if !slices.Contains(names, e.Event.canonical()) {
		return ErrWrongEvent
	}
	if err := wire.UnmarshalWithin(e.Data, v, nil, maxPayload); err != nil {
		return ErrWebhookMalformed // the cause may tell personal data
	}
	return nil
}

// CollectedDataChange is the payload of EventCollectedDataChanged and EventCollectedDataUpdated
// (docs/api/webhooks.md#collected-data-changed).
type CollectedDataChange struct {
	ProfileID   string `json:"profile_id"`
	CustomerRef string `json:"customer_ref"`
	// Old and New are all of the collected data before and after.
	Old    *EntityData `json:"old_data"`
	New    *EntityData `json:"new_data"`
	APIKey *APIKeyRef  `json:"apikey"`
	User   *User       `json:"user"`

	Unknown Unknown `json:"-"`
}

// CollectedDataChange decodes the payload of EventCollectedDataChanged and
// EventCollectedDataUpdated. New is set. The error is ErrWrongEvent for another
// event, ErrWebhookMalformed for other data.
func (e *WebhookEvent) CollectedDataChange() (*CollectedDataChange, error) {
	var c CollectedDataChange
	if err := e.payload(&c, EventCollectedDataChanged, EventCollectedDataUpdated); err != nil {
		return nil, err
	}
	if c.New == nil {
		return nil, ErrWebhookMalformed
	}
	return &c, nil
}

// Change is a difference between two versions of collected data.
type Change struct {
	// Pointer is the RFC 6901 pointer of the value, such as
	// "/personal_details/name/family_name". The index of a removed element counts
	// in the old data, every other one in the new.
	Pointer string
	// Old is the value before, nil if there was none or an empty one.
	Old json.RawMessage
	// New is the value after, nil if there is none or an empty one.
	New json.RawMessage
}

// Changes lists what differs in meaning between Old and New. What the server adds or rewrites by
// itself is left out: original_structured_address, original_freeform_address, a FREEFORM address
// that became STRUCTURED, given names split at white space (docs/api/profiles.md#collected-data,
// docs/api/people.md#individual-data, docs/api/webhooks.md#loops); so are null, "", [] and {} in
// place of an absent member. No change means that there is nothing to do, which is what ends the
// loop of two systems that write to each other.
func (c *CollectedDataChange) Changes() []Change {
	from, errOld := json.Marshal(c.Old)
	to, errNew := json.Marshal(c.New)
	if errOld != nil || errNew != nil {
		// Someone gave Unknown a member that has a field. All may have changed.
		return []Change{{Old: from, New: to}}
	}
	var changes []Change
	for _, d := range wire.Diff(from, to) {
		changes = append(changes, Change(d))
	}
	return changes
}

// CheckCompleted is the payload of EventCheckCompleted (docs/api/webhooks.md#check-completed).
type CheckCompleted struct {
	ProfileID   string `json:"profile_id"`
	CustomerRef string `json:"customer_ref"`
	// Check has id, type, result, decision and variant. For its state, output and
	// errors get the check.
	Check  *Check     `json:"check"`
	APIKey *APIKeyRef `json:"apikey"`
	User   *User      `json:"user"`

	Unknown Unknown `json:"-"`
}

// CheckCompleted decodes the payload of EventCheckCompleted. Check is set and has
// its ID. The error is ErrWrongEvent for another event, ErrWebhookMalformed for
// other data.
func (e *WebhookEvent) CheckCompleted() (*CheckCompleted, error) {
	var c CheckCompleted
	if err := e.payload(&c, EventCheckCompleted); err != nil {
		return nil, err
	}
	if c.Check == nil || c.Check.ID == "" {
		return nil, ErrWebhookMalformed
	}
	return &c, nil
}

// ProductStatusChanged is the payload of EventProductStatusChanged
// (docs/api/webhooks.md#product-status-changed). It does not tell the status before.
type ProductStatusChanged struct {
	ProfileID     string            `json:"profile_id"`
	CustomerRef   string            `json:"customer_ref"`
	ApplicationID string            `json:"application_id"`
	NewStatus     ApplicationStatus `json:"new_status"`
	Product       *Product          `json:"product"`
	APIKey        *APIKeyRef        `json:"apikey"`
	// User changed the status; nil means that the smart policy did.
	User *User `json:"user"`

	Unknown Unknown `json:"-"`
}

// ProductStatusChanged decodes the payload of EventProductStatusChanged, which has
// ApplicationID and NewStatus. The error is ErrWrongEvent for another event,
// ErrWebhookMalformed for other data.
func (e *WebhookEvent) ProductStatusChanged() (*ProductStatusChanged, error) {
	var c ProductStatusChanged
	if err := e.payload(&c, EventProductStatusChanged); err != nil {
		return nil, err
	}
	if c.ApplicationID == "" || c.NewStatus == "" {
		return nil, ErrWebhookMalformed
	}
	return &c, nil
}

// ManualActionRequired is the payload of EventManualActionRequired
// (docs/api/webhooks.md#manual-action-required).
type ManualActionRequired struct {
	ProfileID   string         `json:"profile_id"`
	CustomerRef string         `json:"customer_ref"`
	Actions     []ManualAction `json:"actions"`
	APIKey      *APIKeyRef     `json:"apikey"`
	User        *User          `json:"user"`

	Unknown Unknown `json:"-"`
}

// ManualAction is something a person has to do (docs/api/webhooks.md#manual-action-required).
type ManualAction struct {
	// ActionType is one of values that are not documented.
	ActionType string `json:"action_type"`
	// Due is probably a date-time.
	Due string `json:"due"`
	// Applications that wait for the action, with id, status and product.
	Applications []Application `json:"applications"`
	// Task to work on, with id, state, type and variant.
	Task *Task `json:"task"`

	Unknown Unknown `json:"-"`
}

// ManualActionRequired decodes the payload of EventManualActionRequired, which has
// at least one of Actions. The error is ErrWrongEvent for another event,
// ErrWebhookMalformed for other data.
func (e *WebhookEvent) ManualActionRequired() (*ManualActionRequired, error) {
	var m ManualActionRequired
	if err := e.payload(&m, EventManualActionRequired); err != nil {
		return nil, err
	}
	if len(m.Actions) == 0 {
		return nil, ErrWebhookMalformed
	}
	return &m, nil
}

// CustomerRequestChanged is the payload of EventCustomerRequestChanged, as far as it is known
// (docs/api/webhooks.md#customer-request-changed).
type CustomerRequestChanged struct {
	ProfileID   string     `json:"profile_id"`
	CustomerRef string     `json:"customer_ref"`
	APIKey      *APIKeyRef `json:"apikey"`
	User        *User      `json:"user"`
	// State is looked for under several names, as its place is not documented. It
	// is empty if none was found: get the customer request then.
	State CustomerRequestState `json:"-"`
	// RequestID is looked for in the same way, and may be empty too.
	RequestID string `json:"-"`

	// Unknown holds the members this type has no field for: all that is not common
	// to all events.
	Unknown Unknown `json:"-"`
}

// CustomerRequestChanged decodes the payload of EventCustomerRequestChanged. The
// form of that payload is not described. The error is ErrWrongEvent for another
// event, and ErrWebhookMalformed for data in which neither State nor RequestID was
// found: Data has what came.
func (e *WebhookEvent) CustomerRequestChanged() (*CustomerRequestChanged, error) {
	var c CustomerRequestChanged
	if err := e.payload(&c, EventCustomerRequestChanged); err != nil {
		return nil, err
	}
	var request struct{ Unknown Unknown }
	if raw, ok := c.Unknown.Get("customer_request"); ok {
		// Not an object, or far too large: nothing to find in it.
		_ = wire.UnmarshalWithin(raw, &request, nil, maxPayload)
	}
	c.RequestID = request.Unknown.string("id")
	for _, name := range []string{"customer_request_id", "request_id"} {
		if c.RequestID == "" {
			c.RequestID = c.Unknown.string(name)
		}
	}
	for _, u := range []Unknown{c.Unknown, request.Unknown} {
		for _, name := range []string{"state", "status", "new_state", "new_status"} {
			raw, _ := u.Get(name)
			var s string
			if json.Unmarshal(raw, &s) != nil {
				continue
			}
			state := CustomerRequestState(strings.ToUpper(s))
			if state.Known() {
				c.State = state
				return &c, nil
			}
			if c.State == "" {
				c.State = CustomerRequestState(s)
			}
		}
	}
	if c.State == "" && c.RequestID == "" {
		return nil, ErrWebhookMalformed
	}
	return &c, nil
}

// EventsChanged is the payload of EventEventsCreated and EventEventsUpdated, as far as it can be
// known (docs/api/webhooks.md#events-created-and-updated).
type EventsChanged struct {
	ProfileID   string     `json:"profile_id"`
	CustomerRef string     `json:"customer_ref"`
	APIKey      *APIKeyRef `json:"apikey"`
	User        *User      `json:"user"`
	// Findings are looked for under any name, as their place is not documented.
	// List the events of the profile for their details.
	Findings []WebhookFinding `json:"-"`

	// Unknown holds the members this type has no field for, the findings included.
	Unknown Unknown `json:"-"`
}

// WebhookFinding is an event of a profile as a webhook mentions it.
type WebhookFinding struct {
	ID         string          `json:"id"`
	EventType  EventType       `json:"event_type"`
	Resolution EventResolution `json:"resolution"`

	Unknown Unknown `json:"-"`
}

// EventsChanged decodes the payload of EventEventsCreated and EventEventsUpdated.
// The form of that payload is not described. The error is ErrWrongEvent for another
// event, and ErrWebhookMalformed for data in which no finding was found: Data has
// what came.
func (e *WebhookEvent) EventsChanged() (*EventsChanged, error) {
	var c EventsChanged
	if err := e.payload(&c, EventEventsCreated, EventEventsUpdated); err != nil {
		return nil, err
	}
	look := func(item []byte) {
		if !bytes.HasPrefix(item, []byte("{")) {
			return
		}
		var f WebhookFinding
		if wire.UnmarshalWithin(item, &f, nil, maxPayload) == nil && f.EventType != "" {
			c.Findings = append(c.Findings, f)
		}
	}
	for _, raw := range c.Unknown.All() {
		if r := wire.NewReader(raw); r.Kind() == '[' {
			r.Array(func() { look(r.Value()) })
		} else {
			look(raw)
		}
	}
	if len(c.Findings) == 0 {
		return nil, ErrWebhookMalformed
	}
	return &c, nil
}
