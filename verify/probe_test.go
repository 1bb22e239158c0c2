package verify_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/verify"
)

// turn is one switch of the simulator, turned.
type turn struct {
	name  string // of the switch
	value string
	tier  verify.Tier // the least one that sees it
	on    func(*passforttest.Switches)
}

func turns() []turn {
	type sw = passforttest.Switches
	const changed = "COLLECTED_DATA_CHANGED"
	return []turn{
		{"ErrorsInOK", "", verify.TierRead, func(s *sw) { s.ErrorsInOK = true }},
		{"ErrorsAsObject", "", verify.TierRead, func(s *sw) { s.ErrorsAsObject = true }},
		{"SingleQuotedETags", "", verify.TierRead, func(s *sw) { s.SingleQuotedETags = true }},
		{"ReadableImages", "", verify.TierRead, func(s *sw) { s.ReadableImages = true }},
		{"ReadableFiles", "", verify.TierRead, func(s *sw) { s.ReadableFiles = true }},
		{"RequiredTaskIsVariant", "", verify.TierRead, func(s *sw) { s.RequiredTaskIsVariant = true }},
		{"ListOrder", "NewestFirst", verify.TierRead, func(s *sw) { s.ListOrder = passforttest.NewestFirst }},
		{"ListOrder", "Shuffled", verify.TierRead, func(s *sw) { s.ListOrder = passforttest.Shuffled }},
		{"PreconditionWithoutETag", "", verify.TierCareful, func(s *sw) { s.PreconditionWithoutETag = true }},
		{"PreconditionEnvelope", "", verify.TierCareful, func(s *sw) { s.PreconditionEnvelope = true }},
		{"RepeatedDecisionRefused", "", verify.TierCareful, func(s *sw) { s.RepeatedDecisionRefused = true }},
		{"RateLimitRetrySecs", "", verify.TierDemo, func(s *sw) { s.RateLimitRetrySecs = true }},
		{"RetryAfter", "", verify.TierDemo, func(s *sw) { s.RetryAfter = true }},
		{"OriginalStructuredAddress", "", verify.TierDemo, func(s *sw) { s.OriginalStructuredAddress = true }},
		{"Lenient", "", verify.TierDemo, func(s *sw) { s.Lenient = true }},
		{"CreatedStatus", "", verify.TierDemo, func(s *sw) { s.CreatedStatus = true }},
		{"FileReadByPOST", "", verify.TierDemo, func(s *sw) { s.FileReadByPOST = true }},
		{"RevertCreatesApplication", "", verify.TierDemo, func(s *sw) { s.RevertCreatesApplication = true }},
		{"ApprovedStays", "", verify.TierDemo, func(s *sw) { s.ApprovedStays = true }},
		{"EmptyBodies", "", verify.TierDemo, func(s *sw) { s.EmptyBodies = true }},
		{"RequestKeyObject", "", verify.TierDemo, func(s *sw) { s.RequestKeyObject = true }},
		{"BatchShape", "BatchObject", verify.TierListen, func(s *sw) { s.BatchShape = passforttest.BatchObject }},
		{"BatchShape", "BatchSingle", verify.TierListen, func(s *sw) { s.BatchShape = passforttest.BatchSingle }},
		{"CollectedDataEvent", changed, verify.TierListen, func(s *sw) { s.CollectedDataEvent = changed }},
		{"DeprecatedEvents", "", verify.TierListen, func(s *sw) { s.DeprecatedEvents = true }},
	}
}

// seenBy returns the turns that a tier sees.
func seenBy(t verify.Tier) []turn {
	return slices.DeleteFunc(turns(), func(u turn) bool {
		return u.tier > t || (t == verify.TierListen) != (u.tier == verify.TierListen)
	})
}

// switchesOf returns the switches that a report says differ, with their values.
func switchesOf(r *verify.Report) []string {
	var out []string
	for _, f := range r.With(verify.Differs) {
		out = append(out, f.Switch+" "+f.Value)
	}
	slices.Sort(out)
	return out
}

func names(us []turn) []string {
	var out []string
	for _, u := range us {
		out = append(out, u.name+" "+u.value)
	}
	slices.Sort(out)
	return out
}

func with(us ...turn) passforttest.Option {
	var sw passforttest.Switches
	for _, u := range us {
		u.on(&sw)
	}
	return passforttest.WithSwitches(sw)
}

// Every switch of the simulator has a probe and a turn in these tests, or a reason in
// docs/verify.md.
func TestEverySwitchHasAProbe(t *testing.T) {
	t.Parallel()
	probed, turned := map[string]bool{}, map[string]bool{}
	for _, p := range verify.Probes() {
		probed[p.Switch] = true
	}
	for _, u := range slices.Concat(turns(), versionTurns()) {
		turned[u.name] = true
	}
	unseen := unseenSection(t)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[passforttest.Switches]()) {
		if !probed[f.Name] {
			require.Contains(t, unseen, "`"+f.Name+"`", "no probe sees %s, and docs/verify.md does not say why", f.Name)
			continue
		}
		require.True(t, turned[f.Name], "no test turns %s", f.Name)
	}
}

func TestEverySwitchIsDetected(t *testing.T) {
	t.Parallel()
	for _, tier := range tiers {
		for _, u := range seenBy(tier) {
			t.Run(fmt.Sprintf("%s/%s%s", tier, u.name, u.value), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					report, srv := inTier(t, tier, with(u))
					defer srv.Close()
					require.Equal(t, names([]turn{u}), switchesOf(report))
				})
			})
		}
	}
}

// versionTurns are the switches that show while a task is about to expire. One hides
// the other: without a next version there is none to look at.
func versionTurns() []turn {
	type sw = passforttest.Switches
	return []turn{
		{"VersionsAtExpiry", "", verify.TierRead, func(s *sw) { s.VersionsAtExpiry = true }},
		{"ExpiredInWindow", "", verify.TierRead, func(s *sw) { s.ExpiredInWindow = true }},
	}
}

// A profile whose task is about to expire shows what becomes of its next version, and
// the report makes a simulator that does the same.
func TestVersionsOfTasksAreSeen(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	look := func(t *testing.T, days int, opts ...passforttest.Option) *verify.Report {
		t.Helper()
		srv := passforttest.New(append(opts, passforttest.WithProducts(passforttest.Product{
			Alias: "gold", Tasks: []passforttest.ProductTask{{
				Type: "INDIVIDUAL_VERIFY_IDENTITY", ExpiresAfter: 365 * day,
			}},
		}))...)
		defer srv.Close()
		world(t, srv)
		srv.AdvanceClock(time.Duration(days) * day)
		report, err := verify.Run(t.Context(), srv.Client(), verify.Options{})
		require.NoError(t, err)
		return report
	}
	for _, u := range append(versionTurns(), turn{name: "", on: func(*passforttest.Switches) {}}) {
		t.Run("with "+u.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var want []string
				if u.name != "" {
					want = names([]turn{u})
				}
				report := look(t, 340, with(u))
				require.Equal(t, want, switchesOf(report))
				again := look(t, 340, passforttest.Like(report))
				require.Equal(t, want, switchesOf(again), "by Like")
				require.Empty(t, switchesOf(look(t, 100, with(u))), "long before nothing shows")
			})
		})
	}
}

// A copy of an address that a client sent says nothing of the server.
func TestCopyThatAClientSent(t *testing.T) {
	t.Parallel()
	for _, tier := range tiers {
		synctest.Test(t, func(t *testing.T) {
			srv := passforttest.New()
			defer srv.Close()
			id := world(t, srv)
			_, err := srv.EditCollectedData(id, func(data map[string]any) {
				history, _ := data["address_history"].([]any)
				require.NotEmpty(t, history)
				dated, _ := history[0].(map[string]any)
				address, _ := dated["address"].(map[string]any)
				original := maps.Clone(address)
				address["original_structured_address"] = original
			})
			require.NoError(t, err)
			o := verify.Options{Tier: tier}
			if tier == verify.TierCareful {
				o.ProfileID = id
			}
			report, err := verify.Run(t.Context(), srv.Client(), o)
			require.NoError(t, err)
			require.Empty(t, report.With(verify.Differs))
		})
	}
}

// some returns n different switches, turned, that the demo tier sees.
func some(r *rand.Rand, n int) []turn {
	all := seenBy(verify.TierDemo)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var out []turn
	for _, u := range all {
		if len(out) < n && !slices.ContainsFunc(out, func(o turn) bool { return o.name == u.name }) {
			out = append(out, u)
		}
	}
	return out
}

func rounds(most int) int {
	if testing.Short() {
		return most / 10
	}
	return most
}

func TestPairsOfSwitchesAreDetected(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(17, 2))
	for range rounds(200) {
		pair := some(r, 2)
		synctest.Test(t, func(t *testing.T) {
			report, srv := inTier(t, verify.TierDemo, with(pair...))
			defer srv.Close()
			require.Equal(t, names(pair), switchesOf(report))
		})
	}
}

// The size of a page is an option of the simulator, and no switch.
func TestSizeOfAPageIsDetected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		report, srv := inTier(t, verify.TierRead, passforttest.WithPageSize(3))
		defer srv.Close()
		require.Equal(t, []string{" 3"}, switchesOf(report))
		again, other := inTier(t, verify.TierRead, passforttest.Like(report))
		defer other.Close()
		require.Equal(t, report, again)
	})
}

func TestLikeTheAccount(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(17, 5))
	for round := range rounds(60) {
		five := some(r, 5)
		synctest.Test(t, func(t *testing.T) {
			tier := tiers[round%len(tiers)]
			report, srv := inTier(t, tier, with(five...))
			defer srv.Close()
			if tier == verify.TierDemo {
				require.Equal(t, names(five), switchesOf(report))
			}
			again, other := inTier(t, tier, passforttest.Like(report))
			defer other.Close()
			require.Equal(t, report, again)
		})
	}
}
