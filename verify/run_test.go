package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/verify"
)

// image is a PNG of one pixel.
const image = "\x89PNG\r\n\x1a\n0000000000000000"

// world is an account with everything that a run can look at. It returns the id of
// a profile with an application that is approved.
func world(t *testing.T, srv *passforttest.Server) string {
	t.Helper()
	ctx, client := t.Context(), srv.Client()
	last := ""
	for range 5 {
		data := passfort.NewIndividual()
		name := &passfort.FullName{GivenNames: []string{"Ada"}, FamilyName: "Example"}
		address := &passfort.Address{Type: passfort.AddressTypeStructured, Country: "GBR", Locality: "London"}
		data.PersonalDetails = &passfort.PersonalDetails{Name: name}
		data.AddressHistory = []passfort.DatedAddress{{Address: address}}
		p, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: data,
			Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "gold"}}},
		})
		require.NoError(t, err)
		last = p.ID
		srv.AdvanceClock(2 * time.Second)
	}
	file, err := client.Files.Upload(ctx, last, &passfort.FileUpload{Name: "a.png", Body: strings.NewReader(image)})
	require.NoError(t, err)
	front := &passfort.ImageUpload{Type: passfort.ImageTypeFront, Body: strings.NewReader(image)}
	_, err = client.Documents.UploadImage(ctx, last, front)
	require.NoError(t, err)
	tasks, err := client.Tasks.List(ctx, last)
	require.NoError(t, err)
	require.NotEmpty(t, tasks)
	note := &passfort.NoteRequest{Text: "a note", Attachments: []passfort.NoteAttachment{{ID: file.ID}}}
	_, err = client.Tasks.AddNote(ctx, last, tasks[0].ID, note)
	require.NoError(t, err)
	srv.AdvanceClock(2 * time.Second)
	require.NoError(t, srv.SetTaskState(last, tasks[0].ID, "COMPLETED_PASS"))
	applications, err := client.Applications.List(ctx, last)
	require.NoError(t, err)
	require.NoError(t, srv.SetApplicationStatus(last, applications[0].ID, "APPROVED"))
	srv.AdvanceClock(time.Hour)
	return last
}

// inTier runs one tier against a new account with the switches.
func inTier(t *testing.T, tier verify.Tier, opts ...passforttest.Option) (*verify.Report, *passforttest.Server) {
	t.Helper()
	srv := passforttest.New(append([]passforttest.Option{passforttest.WithSeed(7)}, opts...)...)
	t.Cleanup(srv.Close)
	id := world(t, srv)
	srv.ForgetRequests()
	o := verify.Options{Tier: tier}
	if tier == verify.TierCareful {
		o.ProfileID = id
	}
	report, err := verify.Run(t.Context(), srv.Client(), o)
	require.NoError(t, err)
	return report, srv
}

var tiers = []verify.Tier{verify.TierRead, verify.TierCareful, verify.TierDemo}

func TestNothingDiffersFromTheSimulator(t *testing.T) {
	t.Parallel()
	for _, tier := range tiers {
		t.Run(tier.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				report, srv := inTier(t, tier)
				defer srv.Close()
				var b bytes.Buffer
				require.NoError(t, report.WriteText(&b))
				t.Log(b.String())
				require.True(t, report.Complete)
				require.Empty(t, report.With(verify.Differs))
				require.Empty(t, report.Left)
				require.GreaterOrEqual(t, report.Count(verify.Confirmed), 30)
				require.Len(t, srv.Requests(), report.Requests)
				for line := range strings.Lines(b.String()) {
					require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 80, line)
				}
			})
		})
	}
}

// An account in which nothing was made yet.
func TestEmptyAccount(t *testing.T) {
	t.Parallel()
	for _, tier := range []verify.Tier{verify.TierRead, verify.TierDemo} {
		synctest.Test(t, func(t *testing.T) {
			srv := passforttest.New()
			defer srv.Close()
			report, err := verify.Run(t.Context(), srv.Client(), verify.Options{Tier: tier})
			require.NoError(t, err)
			require.Empty(t, report.With(verify.Differs))
			require.True(t, report.Complete)
		})
	}
}

func TestReadTierOnlyReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := passforttest.New()
		defer srv.Close()
		world(t, srv)
		srv.ForgetRequests()
		for _, operation := range passforttest.Operations() {
			srv.Inject(passforttest.Fault{Operation: operation, Delay: 100 * time.Millisecond, Times: 100})
		}
		began := time.Now()
		report, err := verify.Run(t.Context(), srv.Client(), verify.Options{})
		require.NoError(t, err)
		require.True(t, report.Complete)
		require.LessOrEqual(t, report.Requests, 60)
		require.LessOrEqual(t, time.Since(began), time.Minute)
		for i, r := range srv.Requests() {
			require.Equal(t, http.MethodGet, r.Method, r.Operation)
			require.Empty(t, r.Body)
			if i > 0 {
				require.GreaterOrEqual(t, r.Time.Sub(srv.Requests()[i-1].Time), 500*time.Millisecond)
			}
		}
	})
}

// withoutTimes returns a snapshot without versions, dates and audit items.
func withoutTimes(t *testing.T, srv *passforttest.Server) any {
	t.Helper()
	raw, err := srv.Snapshot()
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(raw, &v))
	return scrubbed(v)
}

func scrubbed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			switch strings.ToLower(name) {
			case "version", "audit", "modified", "viewed", "saved", "random", "time", "now", "offset", "source", "seed":
				delete(v, name)
			default:
				v[name] = scrubbed(e)
			}
		}
	case []any:
		for i := range v {
			v[i] = scrubbed(v[i])
		}
	}
	return v
}

// No limit is reached but in a demo run: others may live under the same one.
func TestOnlyTheDemoTierReachesALimit(t *testing.T) {
	t.Parallel()
	for tier, reports := range map[verify.Tier]int{verify.TierRead: 1, verify.TierCareful: 1, verify.TierDemo: 3} {
		t.Run(tier.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, srv := inTier(t, tier)
				defer srv.Close()
				require.LessOrEqual(t, srv.Count("Audit.PDFReport"), reports)
				limited := 0
				for _, r := range srv.Requests() {
					if r.Status == http.StatusTooManyRequests {
						limited++
					}
				}
				require.Equal(t, tier == verify.TierDemo, limited > 0)
			})
		})
	}
}

func TestCarefulTierChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := passforttest.New()
		defer srv.Close()
		id := world(t, srv)
		_, err := srv.EditCollectedData(id, func(data map[string]any) {
			data["not_modelled"] = map[string]any{
				"n": json.Number("12345678901234567890.10"), "html": "<&>", "null": nil, "empty": []any{},
			}
		})
		require.NoError(t, err)
		before, data := withoutTimes(t, srv), func() string { b, _ := srv.CollectedData(id); return string(b) }
		was := data()
		report, err := verify.Run(t.Context(), srv.Client(), verify.Options{Tier: verify.TierCareful, ProfileID: id})
		require.NoError(t, err)
		require.Empty(t, report.With(verify.Differs))
		require.Equal(t, was, data())
		require.Equal(t, before, withoutTimes(t, srv))
	})
}

func finding(t *testing.T, r *verify.Report, probe string) verify.Finding {
	t.Helper()
	i := slices.IndexFunc(r.Findings, func(f verify.Finding) bool { return f.Probe == probe })
	require.GreaterOrEqual(t, i, 0, probe)
	return r.Findings[i]
}

func TestDemoTierLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		report, srv := inTier(t, verify.TierDemo)
		defer srv.Close()
		require.Empty(t, report.Left)
		page, err := srv.Client().Profiles.List(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, page.Results, 5)
	})
}

func TestDemoTierThatIsStoppedCleansUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := passforttest.New()
		defer srv.Close()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		report, err := verify.Run(ctx, srv.Client(), verify.Options{Tier: verify.TierDemo,
			Progress: func(s verify.Step) {
				if s.Number == 20 {
					stop()
				}
			}})
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, report.Complete)
		require.Empty(t, report.Left)
		srv.AssertApplied(t, "Profiles.Create", 1)
		srv.AssertApplied(t, "Profiles.Delete", 1)
	})
}

func TestDemoTierSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := passforttest.New()
		defer srv.Close()
		srv.Inject(passforttest.Fault{Operation: "Profiles.Delete", Status: http.StatusForbidden, Times: 10})
		report, err := verify.Run(t.Context(), srv.Client(), verify.Options{Tier: verify.TierDemo})
		require.NoError(t, err)
		require.Len(t, report.Left, 1)
	})
}

// A deletion whose answer is lost is tried again, and found done.
func TestDemoTierAfterALostDeletion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := passforttest.New()
		defer srv.Close()
		srv.Inject(passforttest.Fault{Operation: "Profiles.Delete", DropAfterWrite: true})
		report, err := verify.Run(t.Context(), srv.Client(), verify.Options{Tier: verify.TierDemo})
		require.NoError(t, err)
		require.Empty(t, report.Left)
		srv.AssertApplied(t, "Profiles.Delete", 1)
		require.Equal(t, 2, srv.Count("Profiles.Delete"))
	})
}

// A creation whose answer is lost: there may be a profile.
func TestDemoTierSaysWhatMayBeLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := passforttest.New()
		defer srv.Close()
		srv.Inject(passforttest.Fault{Operation: "Profiles.Create", DropAfterWrite: true})
		report, err := verify.Run(t.Context(), srv.Client(), verify.Options{Tier: verify.TierDemo})
		require.NoError(t, err)
		require.Len(t, report.Left, 1)
		require.Contains(t, report.Left[0], "perhaps")
		srv.AssertApplied(t, "Profiles.Create", 1)
		srv.AssertApplied(t, "Profiles.Delete", 0)
	})
}

// Profiles that this key may not read are passed over, three of them.
func TestProfilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for hidden, seen := range map[int]verify.Verdict{2: verify.Confirmed, 3: verify.NotSeen} {
		synctest.Test(t, func(t *testing.T) {
			srv := passforttest.New()
			defer srv.Close()
			world(t, srv)
			srv.ForgetRequests()
			// The first two calls are of ids that are none.
			srv.Inject(passforttest.Fault{Operation: "Profiles.Get", Status: http.StatusNotFound, Times: 2 + hidden})
			report, err := verify.Run(t.Context(), srv.Client(), verify.Options{})
			require.NoError(t, err)
			require.Empty(t, report.With(verify.Differs))
			for _, f := range report.Findings {
				if f.Probe == "profile-form" {
					require.Equal(t, seen, f.Verdict)
				}
			}
			require.Equal(t, 5, srv.Count("Profiles.Get"))
		})
	}
}

func TestOptionsThatCannotBeRight(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer()
	defer srv.Close()
	for name, o := range map[string]verify.Options{
		"careful without a profile": {Tier: verify.TierCareful},
		"demo with a profile":       {Tier: verify.TierDemo, ProfileID: "x"},
		"no tier":                   {Tier: 9},
		"a negative pace":           {Pace: -1},
	} {
		_, err := verify.Run(t.Context(), srv.Client(), o)
		require.ErrorIs(t, err, passfort.ErrInvalidInput, name)
	}
	_, err := verify.Run(t.Context(), nil, verify.Options{})
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	asked := verify.Plan{}
	decline := func(p verify.Plan) bool { asked = p; return false }
	_, err = verify.Run(t.Context(), srv.Client(), verify.Options{Tier: verify.TierDemo, Confirm: decline})
	require.ErrorIs(t, err, verify.ErrDeclined)
	require.Equal(t, verify.TierDemo, asked.Tier)
	require.Empty(t, srv.Requests())
}

func TestRunThatIsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := passforttest.New()
		defer srv.Close()
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		report, err := verify.Run(ctx, srv.Client(), verify.Options{Progress: func(s verify.Step) {
			if s.Number == 4 {
				stop()
			}
		}})
		stop()
		require.ErrorIs(t, err, context.Canceled)
		require.Less(t, time.Since(began), 2*time.Second)
		require.False(t, report.Complete)
		require.NotZero(t, report.Count(verify.Confirmed))
		require.NotZero(t, report.Count(verify.NotTried))
		require.Len(t, report.Findings, len(verify.Probes()))
	})
}

func TestReportReadsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		report, srv := inTier(t, verify.TierRead, passforttest.WithSwitches(passforttest.Switches{
			ErrorsAsObject: true,
		}))
		defer srv.Close()
		var b bytes.Buffer
		require.NoError(t, report.WriteJSON(&b))
		again, err := verify.ReadReport(&b)
		require.NoError(t, err)
		require.Equal(t, report, again)
		require.Equal(t, []verify.Product{{Tasks: []string{"INDIVIDUAL_VERIFY_IDENTITY"}}}, report.Products)
	})
	for name, text := range map[string]string{
		"no report": "{}", "no JSON": "<html>", "too long": strings.Repeat(" ", 2<<20),
	} {
		_, err := verify.ReadReport(strings.NewReader(text))
		require.Error(t, err, name)
	}
}
