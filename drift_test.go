package passfort_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// news collects what a drift reporter received.
type news struct {
	mu  sync.Mutex
	all []passfort.Drift
}

func (n *news) report(d passfort.Drift) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, d)
}

const driftingCheck = `{"id":"c","check_type":"VISA_CHECK","state":"COMPLETE",
	"input_data":{"entity_type":"INDIVIDUAL","shoe_size":44},
	"output_data":{"visa_check":{"visas":[{"entitlement":"DANCE"},{"entitlement":"DANCE"}],"failure_reason":[7]}}}`

func TestDriftInOutputsOfChecks(t *testing.T) {
	t.Parallel()
	want := func(operation, at string) []passfort.Drift {
		return []passfort.Drift{
			{Operation: operation, Pointer: at + "/input_data/shoe_size", Kind: passfort.DriftUnknownField},
			{Operation: operation, Pointer: at + "/output_data/visa_check/visas/*/entitlement",
				Kind: passfort.DriftUnknownValue},
			{Operation: operation, Pointer: at + "/output_data/visa_check/failure_reason",
				Kind: passfort.DriftTypeChanged},
		}
	}
	for _, row := range []struct {
		operation, at, answer string
		call                  func(context.Context, *passfort.Client) error
	}{
		{"Checks.Get", "", driftingCheck, func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Checks.Get(ctx, pid, oid))
		}},
		{"Checks.List", "/*", "[" + driftingCheck + "," + driftingCheck + "]",
			func(ctx context.Context, c *passfort.Client) error {
				return failed(c.Checks.List(ctx, pid))
			}},
		{"Profiles.Get", "/checks/*", `{"id":"p","checks":[` + driftingCheck + `]}`,
			func(ctx context.Context, c *passfort.Client) error {
				return failed(c.Profiles.Get(ctx, pid))
			}},
	} {
		t.Run(row.operation, func(t *testing.T) {
			t.Parallel()
			var n news
			c := newClient(t, serve(t, respond(http.StatusOK, row.answer)), passfort.WithDriftReporter(n.report))
			for range 2 {
				require.NoError(t, row.call(t.Context(), c))
			}
			require.Equal(t, want(row.operation, row.at), n.all)
		})
	}
}

func TestDriftOfAnOutputOfAnotherShape(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]int{`[1]`: 1, `null`: 0, `{}`: 0} {
		var n news
		c := newClient(t, serve(t, respond(http.StatusOK, `{"id":"c","check_type":"VISA_CHECK","output_data":`+output+
			`}`)), passfort.WithDriftReporter(n.report))
		require.NoError(t, failed(c.Checks.Get(t.Context(), pid, oid)))
		require.Len(t, n.all, want, output)
		if want > 0 {
			require.Equal(t, passfort.Drift{Operation: "Checks.Get", Pointer: "/output_data",
				Kind: passfort.DriftTypeChanged}, n.all[0])
		}
	}
	var n news
	c := newClient(t, serve(t,
		respond(http.StatusOK, `{"id":"c","check_type":"GEOCODING","output_data":{"anything":1}}`)),
		passfort.WithDriftReporter(n.report))
	require.NoError(t, failed(c.Checks.Get(t.Context(), pid, oid)))
	require.Empty(t, n.all, "nothing is known that it could differ from")
}

func TestWebhookDrift(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, body string
		want       []passfort.Drift
	}{
		{"an unknown event", `{"id":"1","event":"MOON_ROSE","data":{"a":1}}`,
			[]passfort.Drift{{Operation: "MOON_ROSE", Pointer: "/event", Kind: passfort.DriftUnknownEvent}}},
		{"an event that does not look like one", `{"id":"1","event":"jane@example.com moved"}`,
			[]passfort.Drift{{Operation: "unknown", Pointer: "/event", Kind: passfort.DriftUnknownEvent}}},
		{"a long name", `{"id":"1","event":"` + strings.Repeat("X", 65) + `"}`,
			[]passfort.Drift{{Operation: "unknown", Pointer: "/event", Kind: passfort.DriftUnknownEvent}}},
		{"a known event without a described payload", `{"id":"1","event":"TASK_CREATED","data":{"a":1}}`, nil},
		{"nothing new", `{"id":"1","event":"CHECK_COMPLETED","data":{"profile_id":"p","customer_ref":null,` +
			`"check":{"id":"c","result":"2+2"}}}`, nil},
		{"a check", `{"id":"1","event":"check_completed","data":{"new":1,"check":{"decision":"MAYBE","id":7}}}`,
			[]passfort.Drift{
				{Operation: "CHECK_COMPLETED", Pointer: "/data/new", Kind: passfort.DriftUnknownField},
				{Operation: "CHECK_COMPLETED", Pointer: "/data/check/decision", Kind: passfort.DriftUnknownValue},
				{Operation: "CHECK_COMPLETED", Pointer: "/data/check/id", Kind: passfort.DriftTypeChanged},
			}},
		{"a status", `{"id":"1","event":"PRODUCT_STATUS_CHANGED","data":{"new_status":"FROZEN"}}`,
			[]passfort.Drift{
				{Operation: "PRODUCT_STATUS_CHANGED", Pointer: "/data/new_status", Kind: passfort.DriftUnknownValue},
			}},
		{"collected data", `{"id":"1","event":"COLLECTED_DATA_CHANGED","data":{"new_data":{"entity_type":"COMPANY",` +
			`"moons":2}}}`,
			[]passfort.Drift{
				{Operation: "COLLECTED_DATA_CHANGED", Pointer: "/data/new_data/moons",
					Kind: passfort.DriftUnknownField},
			}},
		{"an action", `{"id":"1","event":"MANUAL_ACTION_REQUIRED","data":{"actions":{}}}`,
			[]passfort.Drift{
				{Operation: "MANUAL_ACTION_REQUIRED", Pointer: "/data/actions", Kind: passfort.DriftTypeChanged},
			}},
		{"data of another shape", `{"id":"1","event":"MANUAL_ACTION_REQUIRED","data":[1]}`,
			[]passfort.Drift{{Operation: "MANUAL_ACTION_REQUIRED", Pointer: "/data", Kind: passfort.DriftTypeChanged}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var n news
			var handled log
			h := newHandler(t, passfort.WithWebhookDriftReporter(n.report))
			h.HandleAll(handled.handle)
			for _, id := range []string{`"1"`, `"2"`} {
				require.Equal(t, http.StatusOK, send(h, delivery(t.Context(),
					strings.Replace(row.body, `"1"`, id, 1))).Code)
			}
			require.Equal(t, row.want, n.all, "once, however often it comes")
			require.Equal(t, []string{"1", "2"}, handled.all(), "delivered all the same")
		})
	}
}

// TestDriftTellsNoValues marks every value of an answer and looks for the mark.
func TestDriftTellsNoValues(t *testing.T) {
	t.Parallel()
	var n news
	const mark = "canary-7f3a"
	body := strings.ReplaceAll(`{"id":"MARK","role":"MARK","collected_data":{"custom_fields_data":{"MARK":1},
		"personal_details":{"national_identity_number":{"MARK":7},"gender":"MARK"}}}`, "MARK", mark)
	c := newClient(t, serve(t, respond(http.StatusOK, body)), passfort.WithDriftReporter(n.report))
	require.NoError(t, failed(c.Profiles.Get(t.Context(), pid)))
	require.Len(t, n.all, 3)
	for _, d := range n.all {
		require.NotContains(t, d.Operation+d.Pointer+string(d.Kind), mark)
		require.NotContains(t, d.Pointer, pid)
	}
}

func TestDriftIsReportedOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []passfort.Drift
	s := serve(t, respond(200, `{"id":7,"role":"ROBOT","new":{"deep":1},"tasks":[{"new":1},{"new":2}],"status":null}`))
	c := newClient(t, s, passfort.WithDriftReporter(func(d passfort.Drift) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, d)
	}))
	for range 3 {
		require.NoError(t, failed(c.Profiles.Get(t.Context(), pid)))
	}
	require.Equal(t, []passfort.Drift{
		{Operation: "Profiles.Get", Pointer: "/id", Kind: passfort.DriftTypeChanged},
		{Operation: "Profiles.Get", Pointer: "/role", Kind: passfort.DriftUnknownValue},
		{Operation: "Profiles.Get", Pointer: "/new", Kind: passfort.DriftUnknownField},
		{Operation: "Profiles.Get", Pointer: "/tasks/*/new", Kind: passfort.DriftUnknownField},
	}, got)
}

// TestDriftNamesAreNarrow sends names that may be data, and longer than any name.
func TestDriftNamesAreNarrow(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, member, want string }{
		{"plain", "Shoe_size-2", "Shoe_size-2"},
		{"an e-mail address", "kim@kim.example", "*"},
		{"a full name", "Kim Example", "*"},
		{"a name that is not ASCII", "Zo\u00eb", "*"},
		{"an account number", "12345678", "*"},
		{"an id", "b7f1a2c3-0d4e-4f56-8a90-123456789abc", "*"},
		{"a phone number behind a letter", "p0791112", "*"},
		{"a path", "a/b~c", "*"},
		{"a list index", "7", "*"},
		{"a line break", "a\nb", "*"},
		{"nothing", "", "*"},
		{"the longest", strings.Repeat("n", 48), strings.Repeat("n", 48)},
		{"longer", strings.Repeat("n", 49), "*"},
		{"1 MiB", strings.Repeat("n", 1<<20), "*"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			member, err := json.Marshal(row.member)
			require.NoError(t, err)
			inner := "{" + string(member) + ":1}"
			var n news
			s := serve(t, respond(http.StatusOK, `{"id":"c","input_data":{"contact_details":`+inner+
				`},"output_data":null,`+inner[1:]))
			c := newClient(t, s, passfort.WithDriftReporter(n.report))
			require.NoError(t, failed(c.Checks.Get(t.Context(), pid, oid)))
			require.Equal(t, []passfort.Drift{
				{Operation: "Checks.Get", Pointer: "/" + row.want, Kind: passfort.DriftUnknownField},
				{Operation: "Checks.Get", Pointer: "/input_data/contact_details/" + row.want,
					Kind: passfort.DriftUnknownField},
			}, n.all)
			w := news{}
			h := newHandler(t, passfort.WithWebhookDriftReporter(w.report))
			body := `{"id":"1","event":"CHECK_COMPLETED","data":` + inner + `}`
			require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), body)).Code)
			require.Equal(t, []passfort.Drift{
				{Operation: "CHECK_COMPLETED", Pointer: "/data/" + row.want, Kind: passfort.DriftUnknownField},
			}, w.all)
		})
	}
}
