package passfort

import (
	"context"
	"time"
)

// EventsService reads and resolves events: findings on a profile, such as a match in a sanctions
// list (docs/api/checks.md#resolve-events).
type EventsService struct{ road *road }

// List reads all events of a profile.
func (s *EventsService) List(ctx context.Context, profileID string, opts ...CallOption) ([]Event, error) {
	return list[Event](ctx, s.road, "Events.List", call{args: []string{profileID}, opts: opts})
}

// Get reads one event.
func (s *EventsService) Get(ctx context.Context, profileID, eventID string, opts ...CallOption) (*Event, error) {
	return result[Event](ctx, s.road, "Events.Get", call{args: []string{profileID, eventID}, opts: opts})
}

// Create adds an event, without an id. It is sent once: after ErrOutcomeUnknown
// look with List before you repeat it.
func (s *EventsService) Create(
	ctx context.Context, profileID string, event *Event, opts ...CallOption,
) (*Event, error) {
	problem := nilEvent(event)
	if problem == "" && (event.Data == nil || event.Data.EventType == "") {
		problem = "the event has no type"
	}
	return result[Event](ctx, s.road, "Events.Create", call{
		args: []string{profileID}, problem: problem, body: event, opts: opts,
	})
}

// Update sends a whole event, for example one that was read and changed. It
// may be repeated.
func (s *EventsService) Update(
	ctx context.Context, profileID, eventID string, event *Event, opts ...CallOption,
) (*Event, error) {
	return result[Event](ctx, s.road, "Events.Update", call{
		args: []string{profileID, eventID}, problem: nilEvent(event), body: event, opts: opts,
	})
}

// Resolve says what an event turned out to be: EventResolutionMismatch, EventResolutionMatch
// or another of the values. The reason may be empty. Only
// these two members are sent; whether the API wants the whole event is not
// documented, and Update sends that. It may be repeated. If an answer was lost,
// the event is read to find out.
func (s *EventsService) Resolve(
	ctx context.Context, profileID, eventID string, resolution EventResolution, reason string, opts ...CallOption,
) (*Event, error) {
	out, err := result[Event](ctx, s.road, "Events.Update", call{
		args: []string{profileID, eventID}, problem: missing("resolution", string(resolution)),
		body: &Event{Resolution: resolution, ResolutionReason: reason}, opts: opts,
	})
	return settle(out, err, func() (*Event, error) { return s.Get(ctx, profileID, eventID) },
		func(e *Event) bool { return e.Resolution == resolution && e.ResolutionReason == reason })
}

// BulkUpdate updates several events, each with its id. It may be repeated.
func (s *EventsService) BulkUpdate(
	ctx context.Context, profileID string, events []Event, opts ...CallOption,
) ([]Event, error) {
	problem := ""
	if len(events) == 0 {
		problem = "there are no events"
	}
	for i := range events {
		if events[i].ID == "" {
			problem = "an event has no id"
		}
	}
	return list[Event](ctx, s.road, "Events.BulkUpdate", call{
		args: []string{profileID}, problem: problem, body: &events, opts: opts,
	})
}

// BulkResolve resolves several events alike. It may be repeated.
func (s *EventsService) BulkResolve(
	ctx context.Context, profileID string, eventIDs []string, resolution EventResolution, reason string,
	opts ...CallOption,
) ([]Event, error) {
	if resolution == "" {
		return nil, s.road.refuse("Events.BulkUpdate", missing("resolution", ""))
	}
	events := make([]Event, len(eventIDs))
	for i, id := range eventIDs {
		events[i] = Event{ID: id, Resolution: resolution, ResolutionReason: reason}
	}
	return s.BulkUpdate(ctx, profileID, events, opts...)
}

func nilEvent(event *Event) string {
	if event == nil {
		return "the event is nil"
	}
	return ""
}

// Event is a finding on a profile, such as a sanction or adverse media (docs/api/checks.md#events).
// Resolve it by setting Resolution. It is no message of a webhook: that is a WebhookEvent, and
// the constants that begin with Event and have no Type or Resolution in them are its EventName.
type Event struct {
	ID string `json:"id"`
	// CreationDate is a date-time, set by the server.
	CreationDate     string          `json:"creation_date"`
	Resolution       EventResolution `json:"resolution"`
	ResolutionReason string          `json:"resolution_reason"`
	// ResolutionDate is a date-time, set by the server.
	ResolutionDate    string     `json:"resolution_date"`
	ResolutionTaskIDs []string   `json:"resolution_task_ids"`
	Data              *EventData `json:"data"`

	Unknown Unknown `json:"-"`
}

func (v *Event) identity() string { return v.ID }

// CreatedAt returns CreationDate as a time in UTC, and reports whether there is one.
func (v *Event) CreatedAt() (time.Time, bool) { return timeOf(v.CreationDate) }

// ResolvedAt returns ResolutionDate as a time in UTC, and reports whether there is
// one.
func (v *Event) ResolvedAt() (time.Time, bool) { return timeOf(v.ResolutionDate) }

// Type returns what kind of finding it is, "" if the event has no data. It
// decides which members of Data there are.
func (v *Event) Type() EventType {
	if v.Data == nil {
		return ""
	}
	return v.Data.EventType
}

// EventData is what a finding is about (docs/api/checks.md#events). The API describes it for the
// flags PEP, SANCTION, ADVERSE_MEDIA and REFER; other types keep their members in Unknown.
type EventData struct {
	EventType EventType `json:"event_type"`
	MatchID   string    `json:"match_id"`
	// ModifiedDate is a date-time.
	ModifiedDate string `json:"modified_date"`
	ProviderName string `json:"provider_name"`
	MatchName    string `json:"match_name"`
	// MatchDates are partial dates.
	MatchDates []string `json:"match_dates"`
	// MatchCountries are country codes or free strings.
	MatchCountries []string `json:"match_countries"`
	// Score is between 0 and 1.
	Score           *float64                  `json:"score"`
	Aliases         []string                  `json:"aliases"`
	PreviousNames   []string                  `json:"previous_names"`
	Associates      []ScreeningAssociate      `json:"associates"`
	ProfileNotes    string                    `json:"profile_notes"`
	Details         []ScreeningDetail         `json:"details"`
	Riskography     string                    `json:"riskography"`
	Locations       []ScreeningLocation       `json:"locations"`
	Identifications []ScreeningIdentification `json:"identifications"`
	Remarks         []string                  `json:"remarks"`
	Sources         []ScreeningSource         `json:"sources"`
	Gender          string                    `json:"gender"`
	// DeceasedDates are partial dates.
	DeceasedDates []string   `json:"deceased_dates"`
	Documents     []Document `json:"documents"`
	// PEP and PEPRating belong to EventTypePEPFlag.
	PEP       *PEP   `json:"pep"`
	PEPRating string `json:"pep_rating"`
	// Sanctions belongs to EventTypeSanctionFlag.
	Sanctions []Sanction `json:"sanctions"`
	// Media belongs to EventTypeAdverseMediaFlag.
	Media []MediaArticle `json:"media"`
	// BrandText and the fields below are newer than 2019.
	BrandText        string      `json:"brand_text"`
	Deceased         *bool       `json:"deceased"`
	MatchCustomLabel string      `json:"match_custom_label"`
	MatchDatesData   []MatchDate `json:"match_dates_data"`
	// MatchCountriesAddress are alpha-3 codes.
	MatchCountriesAddress []string       `json:"match_countries_address"`
	MatchCountriesData    []MatchCountry `json:"match_countries_data"`

	Unknown Unknown `json:"-"`
}

// EventType is the kind of a finding (docs/api/checks.md#events).
type EventType string

// Values of EventType. Others may appear at any time.
const (
	EventTypePEPFlag          EventType = "PEP_FLAG"
	EventTypeSanctionFlag     EventType = "SANCTION_FLAG"
	EventTypeDocumentExpiry   EventType = "DOCUMENT_EXPIRY"
	EventTypeTransactionAlert EventType = "TRANSACTION_ALERT"
	EventTypeReviewNeeded     EventType = "REVIEW_NEEDED"
	EventTypeAdverseMediaFlag EventType = "ADVERSE_MEDIA_FLAG"
	EventTypeReferFlag        EventType = "REFER_FLAG"
	// EventTypeCheckExpiry means new matches from Creditsafe monitoring, despite its name. Newer
	// than 2019.
	EventTypeCheckExpiry EventType = "CHECK_EXPIRY"
	// EventTypeFraudFlag means a merchant fraud match. Newer than 2019.
	EventTypeFraudFlag EventType = "FRAUD_FLAG"
)

// EventResolution is what was decided about a finding (docs/api/checks.md#resolve-events).
type EventResolution string

// Values of EventResolution. Others may appear at any time.
const (
	EventResolutionUnresolved  EventResolution = "UNRESOLVED"
	EventResolutionMismatch    EventResolution = "MISMATCH"
	EventResolutionMatch       EventResolution = "MATCH"
	EventResolutionIgnore      EventResolution = "IGNORE"
	EventResolutionCreatedTask EventResolution = "CREATED_TASK"
)

// Other words for two of the values, as they are looked for: a finding that is dismissed does
// not match the person, one that is confirmed does.
const (
	EventResolutionDismissed = EventResolutionMismatch
	EventResolutionConfirmed = EventResolutionMatch
)
