package passfort

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/poll"
)

var update = flag.Bool("update", false, "write docs/operations.md anew")

// composites lists every method of a service that is not an operation itself,
// and the operations that it sends.
var composites = map[string][]string{
	"Applications.Wait":          {"Applications.Get"},
	"Checks.RunAndWait":          {"Checks.Run", "Checks.List", "Checks.Get"},
	"Checks.Wait":                {"Checks.Get"},
	"CollectedData.Update":       {"CollectedData.Get", "CollectedData.Replace"},
	"Documents.DownloadImage":    {"Documents.GetImage"},
	"Documents.List":             {"CollectedData.Get"},
	"Documents.Submit":           {"Documents.UploadImage", "Documents.Create"},
	"Events.BulkResolve":         {"Events.BulkUpdate"},
	"Events.Resolve":             {"Events.Update"},
	"Files.Download":             {"Files.Get"},
	"Forms.StartRegistration":    {"Profiles.Create", "Forms.CustomerRequest", "Forms.CreateCustomerRequest"},
	"Forms.Wait":                 {"Forms.CustomerRequest"},
	"Profiles.All":               {"Profiles.List"},
	"Profiles.FindByCustomerRef": {"Profiles.List", "CollectedData.Get"},
	"Profiles.Pages":             {"Profiles.List"},
	"Tasks.Complete":             {"Tasks.Update"},
}

// local lists the methods of Client that send nothing.
var local = []string{"CloseIdleConnections", "WithKey"}

// TestEveryMethodIsInTheTable walks what a user of a Client can call and holds
// it against the operations table, both ways.
func TestEveryMethodIsInTheTable(t *testing.T) {
	t.Parallel()
	var names []string
	for _, op := range operations {
		names = append(names, op.name)
	}
	methods := without(clientMethods(), local)
	known := append(slices.Collect(maps.Keys(composites)), names...)
	require.Empty(t, without(known, methods), "no method of a service")
	require.Empty(t, without(methods, known), "neither an operation of the table nor a row of composites")
	for name, uses := range composites {
		require.NotEmpty(t, uses, name)
		require.Subset(t, names, uses, "%s sends what is no operation", name)
	}
}

// without returns what is in a and not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Sorted(slices.Values(a)), func(s string) bool { return slices.Contains(b, s) })
}

// clientMethods returns the exported methods of Client and of its services, as
// Service.Method.
func clientMethods() []string {
	var methods []string
	client := reflect.TypeFor[*Client]()
	for i := range client.NumMethod() {
		methods = append(methods, client.Method(i).Name)
	}
	for i := range client.Elem().NumField() {
		service := client.Elem().Field(i)
		if !service.IsExported() {
			continue
		}
		for j := range service.Type.NumMethod() {
			methods = append(methods, service.Name+"."+service.Type.Method(j).Name)
		}
	}
	return methods
}

// TestOperationsAreComplete holds each entry of the table against the rules
// that the promises rest on.
func TestOperationsAreComplete(t *testing.T) {
	t.Parallel()
	routes := map[string]string{}
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			require.Contains(t, []string{get, post, del}, op.method)
			require.True(t, strings.HasPrefix(op.route, "/"), op.route)
			require.Empty(t, routes[op.method+op.route], "two operations on one route")
			routes[op.method+op.route] = op.name
			require.NotEmpty(t, op.since)
			require.NotEmpty(t, op.sure)
			switch {
			case op.charged != "" && op.class == safe:
				require.Equal(t, "Search.Companies", op.name, "what costs money is not repeated freely")
			case op.method == get:
				require.Contains(t, []any{safe, once}, any(op.class))
			case op.method == post:
				require.NotEqual(t, safe, op.class, "a POST is a write")
			case op.method == del:
				require.Equal(t, idempotent, op.class)
			}
		})
	}
}

// TestOperationsReference holds docs/operations.md against the table.
func TestOperationsReference(t *testing.T) {
	t.Parallel()
	const file = "docs/operations.md"
	want := operationsReference()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "run go generate")
}

func operationsReference() string {
	var b strings.Builder
	b.WriteString(`<!-- Written by "go generate" from operations.go. -->

# Operations

Every operation of the API that the SDK knows, in the order of the API's own
description. The name is the service and its method, as in error texts, log
lines and metrics.

- **Repeated** says when a failed call may be sent again.
  - *safe*: a read, whenever it failed.
  - *conditional*: a write with ` + "`If-Match`" + `, whenever it failed: the server refuses
    a repeat of what it has already done. With ` + "`Overwrite`" + ` it is *once*.
  - *idempotent*: a write that leaves the same state when it is repeated,
    whenever it failed.
  - *once*: only when the request provably never left this machine, or when the
    server said that it did nothing (429). A refusal that says so is
    ` + "`OutcomeRejected`" + `, every other failure ` + "`ErrOutcomeUnknown`" + `.
- **Attempt** is the time limit of one attempt; the whole call is bounded by its
  context.
- **Charged** is what a call may cost on a live account.
- **Quota** marks the operations that have a rate limit of their own.
- **Since** is the oldest source that names the operation: Passfort's API
  description of the year given, a guide, or the help pages.
- **Sure** is how well the path and the shapes are known. Nothing here was tried
  against a live account: report what differs.

| Operation | Method | Route | Repeated | Attempt | Charged | Quota | Since | Sure |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
`)
	for _, op := range operations {
		limit, quota := op.limit, ""
		if limit == 0 {
			limit = attemptLimit
		}
		if op.rateLimited {
			quota = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %d s | %s | %s | %s | %s |\n",
			op.name, op.method, op.route, op.class, limit/time.Second, op.charged, quota, op.since, op.sure)
	}
	b.WriteString(strings.ReplaceAll(`
## Methods made of operations

These methods send the operations above; each of them is repeated by its own
rule. Some operations send more than themselves: when their answer is lost, they
look whether it was done. 'Checks.Run' does so with 'Checks.List', 'Documents.Create'
and 'CollectedData.Replace' with 'CollectedData.Get', and 'Applications.SetStatus',
'Checks.SetTasks', 'Events.Update', 'Tasks.Update' and 'Profiles.SetStatus' with the
operation that reads the same.

| Method | Operations |
| --- | --- |
`, "'", "`"))
	for _, name := range slices.Sorted(maps.Keys(composites)) {
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", name, strings.Join(composites[name], "`, `"))
	}
	return b.String()
}

// A line without a call in it is gone.
func TestLinesOfUpdatesAreForgotten(t *testing.T) {
	t.Parallel()
	var queue turns
	_, first := queue.take(t.Context(), "a")
	_, other := queue.take(t.Context(), "b")
	require.Len(t, queue.lines, 2)
	second := make(chan *turn)
	go func() {
		_, taken := queue.take(t.Context(), "a")
		second <- taken
	}()
	first.end(nil)
	taken := <-second
	other.end(nil)
	require.Len(t, queue.lines, 1)
	taken.end(nil)
	require.Empty(t, queue.lines)
}

// A name that may hold anything else than a name is not reported.
func TestNewsworthyEventNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"AZaz09_-.", strings.Repeat("x", 64)} {
		require.Equal(t, name, EventName(name).newsworthy())
	}
	for _, odd := range []string{"@", "[", "`", "{", "/", ":", " ", "é", strings.Repeat("x", 65)} {
		require.Equal(t, "unknown", EventName(odd).newsworthy(), odd)
	}
}

func TestDriftIsBounded(t *testing.T) {
	t.Parallel()
	reported := 0
	f := newDriftFilter(func(Drift) { reported++ }, 1<<20)
	for i := range maxDrift + 10 {
		f.tell(Drift{Pointer: fmt.Sprint(i)})
		f.tell(Drift{Pointer: fmt.Sprint(i)})
	}
	require.Equal(t, maxDrift, reported)
}

func TestPaceOfWaits(t *testing.T) {
	t.Parallel()
	const (
		ms   = time.Millisecond
		long = 10 * time.Minute
	)
	for _, row := range []struct {
		name    string
		options *WaitOptions
		want    poll.Pace
	}{
		{"no options", nil, poll.Pace{Min: 500 * ms, Max: 30 * time.Second, Long: long}},
		{"nothing said", &WaitOptions{}, poll.Pace{Min: 500 * ms, Max: 30 * time.Second, Long: long}},
		{"less than nothing", &WaitOptions{MinInterval: -1, MaxInterval: -1},
			poll.Pace{Min: 500 * ms, Max: 30 * time.Second, Long: long}},
		{"a first pause", &WaitOptions{MinInterval: 1}, poll.Pace{Min: 1, Max: 30 * time.Second, Long: long}},
		{"a first pause longer than the longest", &WaitOptions{MinInterval: time.Minute},
			poll.Pace{Min: time.Minute, Max: time.Minute, Long: long}},
		{"a longest pause", &WaitOptions{MaxInterval: time.Minute},
			poll.Pace{Min: 500 * ms, Max: time.Minute, Long: time.Minute}},
		{"a longest pause shorter than the first", &WaitOptions{MaxInterval: 1}, poll.Pace{Min: 1, Max: 1, Long: 1}},
		{"both", &WaitOptions{MinInterval: 2, MaxInterval: 3}, poll.Pace{Min: 2, Max: 3, Long: 3}},
		{"both, the wrong way round", &WaitOptions{MinInterval: 3, MaxInterval: 2}, poll.Pace{Min: 2, Max: 2, Long: 2}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, row.options.pace())
		})
	}
}

func woken(wake <-chan struct{}) bool {
	select {
	case <-wake:
		return true
	default:
		return false
	}
}

func completed(id string) *WebhookEvent {
	data, _ := json.Marshal(map[string]any{"check": map[string]string{"id": id}})
	return &WebhookEvent{Event: EventCheckCompleted, Data: data}
}

func TestCheckInbox(t *testing.T) {
	t.Parallel()
	b := NewCheckInbox()
	early, cancelEarly := b.subscribe("a")
	defer cancelEarly()
	other, cancelOther := b.subscribe("b")
	defer cancelOther()
	require.False(t, woken(early))

	require.NoError(t, b.Deliver(t.Context(), completed("a")))
	require.True(t, woken(early))
	require.False(t, woken(early), "one delivery wakes once")
	require.False(t, woken(other))

	late, cancelLate := b.subscribe("a")
	defer cancelLate()
	require.True(t, woken(late), "a delivery before the subscription is not lost")

	b.Completed("a")
	b.Completed("a")
	require.True(t, woken(early))
	require.True(t, woken(late), "every waiter is woken")
}

func TestZeroCheckInboxIsAnEmptyOne(t *testing.T) {
	t.Parallel()
	var b CheckInbox
	wake, cancel := b.subscribe("a")
	defer cancel()
	require.NoError(t, b.Deliver(t.Context(), completed("a")))
	require.True(t, woken(wake))
	b.RequestChanged("profile", "request", CustomerRequestStateExpired)
	heard, stop := b.listen("profile")
	defer stop()
	require.Equal(t, CustomerRequestStateExpired, heard.state("request"))
}

func TestCheckInboxLeavesOtherEventsAlone(t *testing.T) {
	t.Parallel()
	b := NewCheckInbox()
	wake, cancel := b.subscribe("a")
	defer cancel()
	e := completed("a")
	e.Event = EventTaskCreated
	require.NoError(t, b.Deliver(t.Context(), e))
	for _, data := range []string{``, `{}`, `{"check":null}`, `{"check":{}}`, `{"check":"a"}`, `{`} {
		require.NoError(t, b.Deliver(t.Context(), &WebhookEvent{
			Event: EventCheckCompleted, Data: json.RawMessage(data),
		}))
	}
	require.False(t, woken(wake))
}

func TestNilCheckInbox(t *testing.T) {
	t.Parallel()
	var b *CheckInbox
	b.Completed("a")
	require.NoError(t, b.Deliver(t.Context(), completed("a")))
	wake, cancel := b.subscribe("a")
	defer cancel()
	require.False(t, woken(wake))
}

func TestCheckInboxIsBounded(t *testing.T) {
	t.Parallel()
	b := NewCheckInbox()
	for i := range 3 * rememberedChecks {
		id := fmt.Sprint(i)
		_, cancel := b.subscribe(id)
		b.Completed(id)
		cancel()
		cancel()
	}
	require.Empty(t, b.signals.waiting)
	require.Equal(t, rememberedChecks, b.signals.recent.Len())
	wake, cancel := b.subscribe("0")
	defer cancel()
	require.False(t, woken(wake))
}

func TestCheckInboxConcurrently(t *testing.T) {
	t.Parallel()
	b := NewCheckInbox()
	var wg sync.WaitGroup
	for i := range 100 {
		id := fmt.Sprint(i)
		wg.Go(func() { b.Completed(id) })
		wg.Go(func() {
			wake, cancel := b.subscribe(id)
			defer cancel()
			<-wake
		})
	}
	wg.Wait()
}

// Lists of ids that the API made long take no longer than reading them: with a look at
// each for each this would take minutes.
func TestLongListsOfIDs(t *testing.T) {
	t.Parallel()
	const n = 200_000
	ids, back := make([]string, n), make([]string, n)
	for i := range ids {
		ids[i], back[n-1-i] = fmt.Sprint("a", i), fmt.Sprint("a", i)
	}
	require.True(t, sameSet(ids, back))
	require.False(t, sameSet(ids, append(back[1:], "b")))
	company := NewCompany()
	link := AssociateLink{
		ProfileID: "p", EntityType: EntityTypeIndividual, Role: AssociatedRoleDirector, TaskVariantIDs: ids,
	}
	for range 2 {
		entity, err := company.LinkAssociate(link)
		require.NoError(t, err)
		require.Len(t, entity.TaskVariantIDs, n)
	}
}

// Two ids are the same in one form exactly when sameID takes them for the same.
func TestFoldedIDs(t *testing.T) {
	t.Parallel()
	ids := []string{
		"A", "a", "K", "k", "\u212a", "S", "s", "\u017f", "\u00e5", "\u212b", "\u00c5", "\xff", "\ufffd", "1",
	}
	for _, a := range ids {
		for _, b := range ids {
			require.Equal(t, sameID(a+"x", b+"X"), folded(a+"x") == folded(b+"X"), "%q %q", a, b)
		}
	}
	require.Equal(t, folded("F1E2-ABCD"), folded("f1e2-abcd"))
}
