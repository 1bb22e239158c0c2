package passfort_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

const goldenSecret = "made-up-webhook-secret"

func golden(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "webhooks", name+".json"))
	require.NoError(t, err)
	return body
}

// goldenEvent parses a golden sample, which authenticates itself by its body.
func goldenEvent(t testing.TB, name string) *passfort.WebhookEvent {
	t.Helper()
	events, err := passfort.ParseWebhook(http.Header{}, golden(t, name), goldenSecret)
	require.NoError(t, err)
	require.Len(t, events, 1)
	return &events[0]
}

func TestWebhookEventEnvelope(t *testing.T) {
	t.Parallel()
	e := goldenEvent(t, "product_status_changed")
	require.Equal(t, "5f0e7a10-0000-4000-8000-000000000001", e.ID)
	require.Equal(t, passfort.EventProductStatusChanged, e.Event)
	require.Equal(t, time.Unix(1_700_000_000, 0).UTC(), e.Timestamp)
	require.Equal(t, "a2c40000-0000-4000-8000-000000000001", e.ProfileID)
	require.Empty(t, e.CustomerRef)
	require.Equal(t, "Robin Sample", e.User.Name)
	require.Equal(t, "CRM key", e.APIKeyName)
	require.Equal(t, passfort.OriginUser, e.Origin())
	require.True(t, json.Valid(e.Data))
	require.NotContains(t, string(e.Data), goldenSecret)
}

func TestWebhookEventLenientMembers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		message string
		want    passfort.WebhookEvent
	}{
		{"only an event", `{"event":"TASK_CREATED"}`, passfort.WebhookEvent{Event: "TASK_CREATED"}},
		{"members of other types",
			`{"event":"X","id":{},"timestamp":true,"data":{"profile_id":1,"customer_ref":[],"user":"kim","apikey":7}}`,
			passfort.WebhookEvent{
				Event: "X", Data: json.RawMessage(`{"profile_id":1,"customer_ref":[],"user":"kim","apikey":7}`),
			}},
		{"nulls", `{"event":"X","id":null,"timestamp":null,"secret":null,"data":{"profile_id":null,"user":null,` +
			`"apikey":null}}`,
			passfort.WebhookEvent{Event: "X", Data: json.RawMessage(`{"profile_id":null,"user":null,"apikey":null}`)}},
		{"data is null", `{"event":"X","data":null}`, passfort.WebhookEvent{Event: "X", Data: json.RawMessage(`null`)}},
		{"data is a list", `{"event":"X","data": [ 1 ] }`, passfort.WebhookEvent{
			Event: "X", Data: json.RawMessage(`[ 1 ]`),
		}},
		{"data before the event", ` { "data" : { "profile_id" : "p\u0031" } , "event":"X"}`,
			passfort.WebhookEvent{Event: "X", ProfileID: "p1", Data: json.RawMessage(`{ "profile_id" : "p\u0031" }`)}},
		{"number as id", `{"event":"X","id":12345678901234567890}`, passfort.WebhookEvent{
			Event: "X", ID: "12345678901234567890",
		}},
		{"fractional timestamp", `{"event":"X","timestamp":1.5}`, passfort.WebhookEvent{
			Event: "X", Timestamp: time.Unix(1, 5e8).UTC(),
		}},
		{"timestamp in a string", `{"event":"X","timestamp":"1700000000"}`, passfort.WebhookEvent{
			Event: "X", Timestamp: time.Unix(1_700_000_000, 0).UTC(),
		}},
		{"timestamp out of range", `{"event":"X","timestamp":1e300}`, passfort.WebhookEvent{Event: "X"}},
		{"integer timestamp out of range", `{"event":"X","timestamp":9223372036854775807}`, passfort.WebhookEvent{
			Event: "X",
		}},
		{"known name in another case", `{"event":"Check_Completed"}`, passfort.WebhookEvent{
			Event: passfort.EventCheckCompleted,
		}},
		{"unknown name keeps its spelling", `{"event":"Something_New"}`, passfort.WebhookEvent{Event: "Something_New"}},
		{"key without a name", `{"event":"X","data":{"apikey":{}}}`, passfort.WebhookEvent{
			Event: "X", Data: json.RawMessage(`{"apikey":{}}`),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			events, err := passfort.ParseWebhook(bearer("s0"), []byte(tt.message), "s0")
			require.NoError(t, err)
			require.Equal(t, []passfort.WebhookEvent{tt.want}, events)
		})
	}
}

func TestWebhookEventOrigin(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		data string
		want passfort.Origin
	}{
		{"user", `{"user":{"id":"u"}}`, passfort.OriginUser},
		{"user without members", `{"user":{}}`, passfort.OriginUser},
		{"user and key", `{"user":{"id":"u"},"apikey":{"name":"CRM"}}`, passfort.OriginUser},
		{"key", `{"user":null,"apikey":{"name":"CRM"}}`, passfort.OriginAPIKey},
		{"key without a name", `{"user":null,"apikey":{"name":null}}`, passfort.OriginAPIKey},
		{"no key", `{"user":null,"apikey":null}`, passfort.OriginSystem},
		{"neither", `{"user":null}`, passfort.OriginSystem},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			events, err := passfort.ParseWebhook(bearer("s0"), []byte(`{"event":"X","data":`+tt.data+`}`), "s0")
			require.NoError(t, err)
			require.Equal(t, tt.want, events[0].Origin())
		})
	}
}

func TestCollectedDataChange(t *testing.T) {
	t.Parallel()
	c, err := goldenEvent(t, "collected_data_updated").CollectedDataChange()
	require.NoError(t, err)
	require.Equal(t, "customer-42", c.CustomerRef)
	require.Equal(t, "Example", c.Old.PersonalDetails.Name.FamilyName)
	require.Equal(t, "Specimen", c.New.PersonalDetails.Name.FamilyName)
	require.Equal(t, "CRM key", c.APIKey.Name)
	require.Nil(t, c.User)

	changes := c.Changes()
	require.Len(t, changes, 2)
	require.Equal(t, "/address_history/0", changes[0].Pointer)
	require.Nil(t, changes[0].Old)
	require.Contains(t, string(changes[0].New), "New Road")
	require.Equal(t, passfort.Change{
		Pointer: "/personal_details/name/family_name",
		Old:     json.RawMessage(`"Example"`), New: json.RawMessage(`"Specimen"`),
	}, changes[1])
}

func TestCollectedDataChangeOfNothing(t *testing.T) {
	t.Parallel()
	require.Empty(t, (&passfort.CollectedDataChange{}).Changes())
	require.Empty(t, (&passfort.CollectedDataChange{New: &passfort.EntityData{}}).Changes())
	require.Len(t, (&passfort.CollectedDataChange{New: passfort.NewCompany()}).Changes(), 1)

	var broken passfort.EntityData
	require.NoError(t, broken.Unknown.Set("customer_ref", "a member that has a field"))
	c := passfort.CollectedDataChange{Old: passfort.NewCompany(), New: &broken}
	require.Empty(t, c.Changes()[0].Pointer, "what cannot be compared counts as changed")
}

func TestCheckCompleted(t *testing.T) {
	t.Parallel()
	c, err := goldenEvent(t, "check_completed").CheckCompleted()
	require.NoError(t, err)
	require.Equal(t, "8cd30000-0000-4000-8000-000000000003", c.ProfileID)
	require.Equal(t, "ea560000-0000-4000-8000-000000000003", c.Check.ID)
	require.EqualValues(t, "2+2", c.Check.Result)
	require.EqualValues(t, "PASS", c.Check.Decision)
	require.Equal(t, "default", c.Check.Variant.Alias)
}

func TestProductStatusChanged(t *testing.T) {
	t.Parallel()
	c, err := goldenEvent(t, "product_status_changed").ProductStatusChanged()
	require.NoError(t, err)
	require.Equal(t, passfort.ApplicationStatusApproved, c.NewStatus)
	require.Equal(t, "b0ce0000-0000-4000-8000-000000000001", c.ApplicationID)
	require.Equal(t, "gold_account", c.Product.Alias)
	require.Equal(t, "robin@example.com", c.User.Email)
}

func TestManualActionRequired(t *testing.T) {
	t.Parallel()
	m, err := goldenEvent(t, "manual_action_required").ManualActionRequired()
	require.NoError(t, err)
	require.Len(t, m.Actions, 1)
	a := m.Actions[0]
	require.Equal(t, "COMPLETE_TASK", a.ActionType)
	require.Equal(t, "2024-01-31 12:00:00", a.Due)
	require.Equal(t, passfort.ApplicationStatusInReview, a.Applications[0].Status)
	require.Equal(t, passfort.TaskStateIncomplete, a.Task.State)
	require.Equal(t, "default", a.Task.Variant.Alias)
}

func TestCustomerRequestChanged(t *testing.T) {
	t.Parallel()
	e := goldenEvent(t, "customer_request_changed")
	require.Equal(t, passfort.EventCustomerRequestChanged, e.Event, "the lower case of the guide")
	tests := []struct {
		name string
		data string
		want passfort.CustomerRequestState
	}{
		{"golden", string(e.Data), passfort.CustomerRequestStateCompleted},
		{"state", `{"state":"EXPIRED"}`, passfort.CustomerRequestStateExpired},
		{"status", `{"status":"SENT"}`, passfort.CustomerRequestStateSent},
		{"new_state", `{"new_state":"COMPLETED"}`, passfort.CustomerRequestStateCompleted},
		{"new_status in another case", `{"new_status":"expired"}`, passfort.CustomerRequestStateExpired},
		{"status of the request", `{"customer_request":{"status":"SENT"}}`, passfort.CustomerRequestStateSent},
		{"a known state wins", `{"status":"ACTIVE","customer_request":{"new_status":"EXPIRED"}}`,
			passfort.CustomerRequestStateExpired},
		{"a new state", `{"state":"PAUSED"}`, "PAUSED"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := passfort.WebhookEvent{Event: "customer_request_changed", Data: json.RawMessage(tt.data)}
			c, err := e.CustomerRequestChanged()
			require.NoError(t, err)
			require.Equal(t, tt.want, c.State)
		})
	}
}

func TestEventsChanged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		data string
		want []passfort.EventType
	}{
		{"golden", string(goldenEvent(t, "events_created").Data),
			[]passfort.EventType{passfort.EventTypePEPFlag, passfort.EventTypeAdverseMediaFlag}},
		{"another name", `{"findings":[{"id":"a","event_type":"FRAUD_FLAG"}]}`,
			[]passfort.EventType{passfort.EventTypeFraudFlag}},
		{"a single object", `{"event":{"id":"a","event_type":"REFER_FLAG"}}`,
			[]passfort.EventType{passfort.EventTypeReferFlag}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := passfort.WebhookEvent{Event: passfort.EventEventsUpdated, Data: json.RawMessage(tt.data)}
			c, err := e.EventsChanged()
			require.NoError(t, err)
			var got []passfort.EventType
			for _, f := range c.Findings {
				got = append(got, f.EventType)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestPayloadAccessorErrors(t *testing.T) {
	t.Parallel()
	accessors := map[passfort.EventName]func(*passfort.WebhookEvent) error{
		passfort.EventCollectedDataChanged: func(e *passfort.WebhookEvent) error {
			_, err := e.CollectedDataChange()
			return err
		},
		passfort.EventCollectedDataUpdated: func(e *passfort.WebhookEvent) error {
			_, err := e.CollectedDataChange()
			return err
		},
		passfort.EventCheckCompleted: func(e *passfort.WebhookEvent) error {
			_, err := e.CheckCompleted()
			return err
		},
		passfort.EventProductStatusChanged: func(e *passfort.WebhookEvent) error {
			_, err := e.ProductStatusChanged()
			return err
		},
		passfort.EventManualActionRequired: func(e *passfort.WebhookEvent) error {
			_, err := e.ManualActionRequired()
			return err
		},
		passfort.EventCustomerRequestChanged: func(e *passfort.WebhookEvent) error {
			_, err := e.CustomerRequestChanged()
			return err
		},
		passfort.EventEventsCreated: func(e *passfort.WebhookEvent) error { _, err := e.EventsChanged(); return err },
		passfort.EventEventsUpdated: func(e *passfort.WebhookEvent) error { _, err := e.EventsChanged(); return err },
	}
	for name, accessor := range accessors {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, accessor(&passfort.WebhookEvent{Event: "TASK_CREATED", Data: json.RawMessage(`{}`)}),
				passfort.ErrWrongEvent)
			for _, data := range []string{
				``, `null`, `[]`, `"Robin Sample"`, `{"Robin Sample"`, `{}`, `{"check":5}`, `{"check":null}`,
				`{"check":{}}`, `{"check":{"id":5}}`,
				`{"new_data":null,"old_data":{}}`, `{"new_data":[]}`, `{"actions":[]}`, `{"actions":5}`,
				`{"application_id":"a"}`, `{"customer_request":[]}`, `{"state":1,"status":null,"customer_request":"x"}`,
				`{"profile_id":"p","tags":["a"],"more":[{"id":"x"}],"n":1}`,
			} {
				err := accessor(&passfort.WebhookEvent{Event: name, Data: json.RawMessage(data)})
				require.ErrorIs(t, err, passfort.ErrWebhookMalformed, data)
				require.NotContains(t, err.Error(), "Robin")
			}
		})
	}
}

func TestEventNameKnown(t *testing.T) {
	t.Parallel()
	require.True(t, passfort.EventCheckCompleted.Known())
	require.True(t, passfort.EventName("check_completed").Known())
	require.False(t, passfort.EventName("CHECK_STARTED").Known())
	require.False(t, passfort.EventName("").Known())
}

func TestCustomerRequestChangedNamesTheRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, data, want string }{
		{"in the request", `{"customer_request":{"id":"R"},"request_id":"other"}`, "R"},
		{"customer_request_id", `{"customer_request_id":"R"}`, "R"},
		{"request_id", `{"request_id":"R"}`, "R"},
		{"a number", `{"request_id":7,"state":"SENT"}`, ""},
		{"the id of something else", `{"id":"R","state":"SENT"}`, ""},
		{"none", `{"customer_request":"R","state":"SENT"}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := passfort.WebhookEvent{Event: passfort.EventCustomerRequestChanged, Data: json.RawMessage(tt.data)}
			c, err := e.CustomerRequestChanged()
			require.NoError(t, err)
			require.Equal(t, tt.want, c.RequestID)
		})
	}
}

func TestKeyOfAnEvent(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", 127)
	require.Equal(t, longest, (&passfort.WebhookEvent{ID: longest}).Key())
	require.Equal(t, "p/"+longest[:126], (&passfort.WebhookEvent{ProfileID: "p", ID: longest[:126]}).Key())
	seen := map[string]bool{}
	for _, e := range []passfort.WebhookEvent{
		{ID: "sha256:" + strings.Repeat("0", 64)}, {ID: "p/1"}, {ProfileID: "p/1", ID: "2"},
		{ProfileID: "p", ID: longest},
		{ID: longest + "x"}, {ID: longest + "y"}, {}, {Event: "X"}, {Event: "X", Timestamp: time.Unix(1, 0)},
		{Event: "X", Data: json.RawMessage(`1`)},
	} {
		key := e.Key()
		require.Regexp(t, `^sha256:[0-9a-f]{64}$`, key)
		require.Equal(t, key, e.Key())
		require.False(t, seen[key])
		seen[key] = true
	}
}
