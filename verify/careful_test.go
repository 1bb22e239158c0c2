package verify_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/verify"
)

// without is a transport on which If-Match gets lost, as at an account that ignores it.
type without struct {
	http.RoundTripper
	wrote func() // after each write of collected data
}

func (w without) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del("If-Match")
	response, err := w.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/collected_data") {
		w.wrote()
	}
	return response, err
}

// Where If-Match is ignored, what is written back is written once, and looked at.
func TestCarefulTierWhereETagsAreIgnored(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]int{"nobody else writes": 0, "another writer": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := passforttest.New()
				defer srv.Close()
				id := world(t, srv)
				srv.ForgetRequests()
				client := srv.Client(passfort.WithHTTPClient(&http.Client{Transport: without{srv.Transport(), func() {
					if left > 0 {
						_, err := srv.EditCollectedData(id, func(data map[string]any) {
							data["customer_ref"] = "another"
						})
						require.NoError(t, err)
					}
				}}}))
				report, err := verify.Run(t.Context(), client, verify.Options{Tier: verify.TierCareful, ProfileID: id})
				require.NoError(t, err)
				srv.AssertApplied(t, "CollectedData.Replace", 1)
				require.Equal(t, verify.Differs, finding(t, report, "stale-status").Verdict)
				require.Equal(t, verify.Confirmed, finding(t, report, "echo-version").Verdict)
				require.Len(t, report.Left, left)
			})
		})
	}
}

// Whether a server that fails stored the data is open: nothing is written again.
func TestCarefulTierAfterAFailedWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := passforttest.New()
		defer srv.Close()
		id := world(t, srv)
		srv.ForgetRequests()
		srv.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Status: http.StatusBadGateway, Times: -1})
		report, err := verify.Run(t.Context(), srv.Client(), verify.Options{Tier: verify.TierCareful, ProfileID: id})
		require.NoError(t, err)
		require.Equal(t, 1, srv.Count("CollectedData.Replace"))
		for _, probe := range []string{"stale-status", "stale-data", "stale-etag", "echo-version", "echo-data"} {
			require.Equal(t, verify.NotSeen, finding(t, report, probe).Verdict, probe)
		}
	})
}

// What is written back was read just before, and the pace of the run is kept all the same.
func TestWritesFollowTheirReadAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		report, srv := inTier(t, verify.TierCareful)
		defer srv.Close()
		requests := srv.Requests()
		writes := 0
		for i, r := range requests {
			if r.Method == http.MethodGet {
				continue
			}
			writes++
			require.Equal(t, r.Path, requests[i-1].Path)
			require.Equal(t, http.MethodGet, requests[i-1].Method)
			require.Equal(t, requests[i-1].Time, r.Time)
		}
		require.Equal(t, 3, writes)
		took := requests[len(requests)-1].Time.Sub(requests[0].Time)
		require.GreaterOrEqual(t, took, time.Duration(report.Requests-1)*500*time.Millisecond)
	})
}

// A decision that was taken back since the list was read is not set again.
func TestCarefulTierLeavesAnApplicationThatMoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := passforttest.New()
		defer srv.Close()
		id := world(t, srv)
		srv.ForgetRequests()
		o := verify.Options{Tier: verify.TierCareful, ProfileID: id, Progress: func(s verify.Step) {
			if s.Probe.Name != "repeated-decision" || s.Finding != nil {
				return
			}
			applications, err := srv.Client().Applications.List(t.Context(), id)
			require.NoError(t, err)
			require.NoError(t, srv.SetApplicationStatus(id, applications[0].ID, "IN_REVIEW"))
		}}
		report, err := verify.Run(t.Context(), srv.Client(), o)
		require.NoError(t, err)
		require.Equal(t, verify.NotSeen, finding(t, report, "repeated-decision").Verdict)
		require.Zero(t, srv.Count("Applications.SetStatus"))
	})
}
