package passforttest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

func TestWaterfall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outcomes []passforttest.Outcome
		variant  string
		decision string
		charged  int
	}{
		"the first passes": {[]passforttest.Outcome{{Decision: "PASS"}}, "default", "PASS", 1},
		"a fail goes on":   {[]passforttest.Outcome{{Decision: "FAIL"}, {Decision: "PASS"}}, "second", "PASS", 2},
		"an error goes on": {[]passforttest.Outcome{{Decision: "ERROR"}, {Decision: "PASS"}}, "second", "PASS", 2},
		"a partial goes on": {[]passforttest.Outcome{{Decision: "PARTIAL"}, {Decision: "PARTIAL"}, {Decision: "PASS"}},
			"third", "PASS", 3},
		"the last one stays": {[]passforttest.Outcome{{Decision: "FAIL"}}, "third", "FAIL", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, byHand(passforttest.WithWaterfall("IDENTITY_CHECK", "default", "second", "third"))...)
			w.srv.SetCheckOutcome("IDENTITY_CHECK", c.outcomes...)
			id := w.person()
			check := w.created("/profiles/"+id+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`)
			w.srv.AdvanceClock(time.Minute)
			o := w.get("/profiles/" + id + "/checks/" + check).object(t)
			require.Equal(t, "COMPLETE", o["state"])
			require.Equal(t, c.variant, text(o, "variant", "alias"))
			require.Equal(t, c.decision, o["decision"])
			require.Len(t, o["providers"], c.charged)
			require.Equal(t, map[string]int{"IDENTITY_CHECK": c.charged}, w.srv.Charges())
			require.Len(t, w.get("/profiles/"+id+"/checks").list(t), 1)
		})
	}
}

// A caller in sync mode has the answer of the last variant.
func TestWaterfallInSyncMode(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithCheckTime(time.Millisecond),
		passforttest.WithWaterfall("IDENTITY_CHECK", "default", "second"))
	w.srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Decision: "FAIL"},
		passforttest.Outcome{Decision: "PASS"})
	o := w.post("/profiles/"+w.person()+"/checks?mode=sync", `{"check_type":"IDENTITY_CHECK"}`).object(t)
	require.Equal(t, "PASS", o["decision"])
}

// A function that panics while a call lets things happen does not block the calls after it.
func TestPanicOfADecisionLeavesTheServerUsable(t *testing.T) {
	t.Parallel()
	clock := passforttest.NewClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	w := start(t, passforttest.WithClock(clock), passforttest.WithWaterfall("IDENTITY_CHECK", "default", "second"))
	runs := 0
	w.srv.DecideChecks(func(passforttest.CheckRun) (passforttest.Outcome, bool) {
		if runs++; runs > 1 {
			return passforttest.Outcome{Decision: "PASSED"}, true
		}
		return passforttest.Outcome{Decision: "FAIL"}, true
	})
	w.created("/profiles/"+w.person()+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`)
	clock.Advance(time.Minute)
	_, err := w.send(http.MethodPost, "/profiles", newPerson)
	require.Error(t, err, "the word of the outcome panics")
	within, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = w.srv.Client().WhoAmI(within)
	require.NoError(t, err)
}
