package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/verify"
)

// direct is a RoundTripper that takes requests to a handler, without sockets.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	out, in := io.Pipe()
	w := &piped{header: http.Header{}, body: in, begun: make(chan int, 1)}
	go func() {
		d.ServeHTTP(w, r)
		w.WriteHeader(http.StatusOK)
		_ = in.CloseWithError(r.Context().Err()) // nil: the end of the body
	}()
	stop := context.AfterFunc(r.Context(), func() { _ = in.CloseWithError(r.Context().Err()) })
	select {
	case status := <-w.begun:
		body := ended{out, stop}
		return &http.Response{StatusCode: status, Header: w.header, Body: body, ProtoMajor: 1, Request: r}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

type ended struct {
	io.ReadCloser
	stop func() bool
}

func (e ended) Close() error { e.stop(); return e.ReadCloser.Close() }

type piped struct {
	header http.Header
	body   *io.PipeWriter
	wrote  atomic.Bool
	begun  chan int
}

func (p *piped) Header() http.Header { return p.header }
func (p *piped) WriteHeader(status int) {
	if p.wrote.CompareAndSwap(false, true) {
		p.begun <- status
	}
}
func (p *piped) Write(b []byte) (int, error) { p.WriteHeader(http.StatusOK); return p.body.Write(b) }

func TestForeignServers(t *testing.T) {
	t.Parallel()
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	refused := `{"errors":[{"code":204,"message":"MARKED"}]}`
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	who := `{"auditee_name":"k","institution":{"id":"1","name":"n","logo_url":null},"user":null}`
	for name, c := range map[string]struct {
		handler  http.HandlerFunc
		says     string
		requests int
		within   time.Duration
	}{
		"HTML for everything": {answer(200, "text/html", "<html><body>MARKED</body></html>"), "HTML", 1, time.Second},
		"HTML with 503": {answer(503, "text/html", "<html>MARKED</html>"), "HTML with status 503", 1,
			time.Second},
		"401 for everything":   {answer(401, "application/json", refused), "refuses the key", 1, time.Second},
		"a refused key in 200": {answer(200, "application/json", refused), "refuses the key", 1, time.Second},
		"another API":          {answer(200, "application/json", `{"MARKED":"MARKED"}`), "another API", 1, time.Second},
		"404 for everything":   {answer(404, "text/plain", "MARKED"), "does not know this path", 1, time.Second},
		"text for everything":  {answer(200, "text/plain", "MARKED"), "no JSON", 1, time.Second},
		"one that hangs":       {hang, "nothing that answers", 1, 11 * time.Second},
		"one that hangs later": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "whoami") {
				_, _ = io.WriteString(w, who)
				return
			}
			<-r.Context().Done()
		}, "a Passfort API", 8, 55 * time.Second},
		"megabytes": {func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 10 {
				if _, err := w.Write(bytes.Repeat([]byte("MARKED"), 1<<14)); err != nil {
					return
				}
			}
		}, "more than 4 MiB", 1, time.Second},
		"an answer to all that only looks right": {answer(200, "application/json", who), "a Passfort API", 60,
			time.Minute},
		"drips": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
				}
			}
		}, "nothing that answers", 1, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, err := passfort.New("sim-key-of-a-test", passfort.WithBaseURL("http://127.0.0.1/4.0"),
					passfort.WithHTTPClient(&http.Client{Transport: direct{c.handler}}))
				require.NoError(t, err)
				for _, tier := range []verify.Tier{verify.TierRead, verify.TierDemo} {
					began := time.Now()
					report, err := verify.Run(t.Context(), client, verify.Options{Tier: tier})
					require.NoError(t, err)
					require.Contains(t, report.Server, c.says)
					require.LessOrEqual(t, time.Since(began), c.within)
					require.LessOrEqual(t, report.Requests, c.requests)
					var b bytes.Buffer
					require.NoError(t, report.WriteJSON(&b))
					require.NoError(t, report.WriteText(&b))
					require.NotContains(t, b.String(), "MARKED")
				}
			})
		})
	}
}

// Marked data everywhere in the account: none of it in the report, the progress or
// the logs.
func TestReportHoldsNoData(t *testing.T) {
	t.Parallel()
	const mark = "mArKeD"
	for _, tier := range tiers {
		t.Run(tier.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := passforttest.New(passforttest.WithAPIKey(mark+"-key"), passforttest.WithAPIKeyName(mark+" name"),
					passforttest.WithInstitution(mark), passforttest.WithProducts(passforttest.Product{
						Alias: mark, Name: mark, Tasks: []passforttest.ProductTask{{
							Type: "INDIVIDUAL_VERIFY_IDENTITY", Variant: mark, Name: mark, Description: mark,
						}},
					}),
					passforttest.WithSwitches(passforttest.Switches{
						ReadableFiles: true, ReadableImages: true, ErrorsInOK: true, PreconditionEnvelope: true,
					}))
				defer srv.Close()
				id := world(t, srv)
				client := srv.Client()
				marked := &passfort.ApplicationRequest{Product: passfort.ProductRef{Alias: mark}}
				_, err := client.Applications.Create(t.Context(), id, marked)
				require.NoError(t, err)
				_, err = srv.EditCollectedData(id, func(data map[string]any) {
					data["customer_ref"], data[mark], data["new_member"] = mark, mark, map[string]any{mark: mark}
					data["custom_fields_data"] = map[string]any{strings.ToLower(mark): mark}
					name := map[string]any{"given_names": []any{mark}, "family_name": mark}
					data["personal_details"] = map[string]any{"name": name, mark: json.Number("1")}
				})
				require.NoError(t, err)
				ids := []string{id}
				page, err := client.Profiles.List(t.Context(), nil)
				require.NoError(t, err)
				for _, p := range page.Results {
					ids = append(ids, p.ID)
				}
				var b bytes.Buffer
				lines := slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})
				logged := srv.Client(passfort.WithLogger(slog.New(lines)))
				o := verify.Options{Tier: tier, Progress: func(s verify.Step) {
					raw, err := json.Marshal(s)
					require.NoError(t, err)
					b.Write(raw)
				}}
				if tier == verify.TierCareful {
					o.ProfileID = id
				}
				report, err := verify.Run(t.Context(), logged, o)
				require.NoError(t, err)
				require.NoError(t, report.WriteJSON(&b))
				require.NoError(t, report.WriteText(&b))
				require.NotContains(t, strings.ToLower(b.String()), strings.ToLower(mark))
				for _, id := range ids {
					require.NotContains(t, b.String(), id)
				}
				if tier != verify.TierDemo {
					require.Contains(t, b.String(), "new_member")
				}

				o.Aliases = true
				report, err = verify.Run(t.Context(), client, o)
				require.NoError(t, err)
				if tier == verify.TierRead {
					require.Contains(t, report.Products, verify.Product{
						Alias: mark, Tasks: []string{"INDIVIDUAL_VERIFY_IDENTITY"},
					})
				}
			})
		})
	}
}

// A server that fails, or that a limit stands before, says nothing of a belief.
func TestFailuresAreNoAnswers(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := passforttest.New()
				defer srv.Close()
				world(t, srv)
				srv.Inject(passforttest.Fault{Status: status, Skip: 1, Times: -1})
				report, err := verify.Run(t.Context(), srv.Client(), verify.Options{})
				require.NoError(t, err)
				require.True(t, report.Complete)
				require.Empty(t, report.With(verify.Differs))
				for _, f := range report.With(verify.Confirmed) {
					require.Contains(t, []string{"whoami", "http-version", "request-id"}, f.Probe)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				srv := passforttest.New()
				defer srv.Close()
				srv.Inject(passforttest.Fault{Status: status})
				report, err := verify.Run(t.Context(), srv.Client(), verify.Options{})
				require.NoError(t, err)
				require.Equal(t, verify.NotSeen, finding(t, report, "whoami").Verdict)
			})
			for probe, f := range map[string]passforttest.Fault{
				"strictness":   {Operation: "CollectedData.Replace"},
				"file-by-post": {Method: http.MethodPost, Path: "/4.0/profiles/*/files/*"},
				"delete":       {Operation: "Profiles.Get"},
			} {
				f.Status, f.Times = status, -1
				synctest.Test(t, func(t *testing.T) {
					srv := passforttest.New()
					defer srv.Close()
					srv.Inject(f)
					report, err := verify.Run(t.Context(), srv.Client(), verify.Options{Tier: verify.TierDemo})
					require.NoError(t, err)
					require.Equal(t, verify.NotSeen, finding(t, report, probe).Verdict, probe)
				})
			}
		})
	}
}

// A redirect that goes round and round.
func TestRedirects(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}))
	defer srv.Close()
	client, err := passfort.New("sim-key-of-a-test", passfort.WithBaseURL(srv.URL+"/4.0"))
	require.NoError(t, err)
	report, err := verify.Run(t.Context(), client, verify.Options{Pace: time.Millisecond})
	require.NoError(t, err)
	require.Contains(t, report.Server, "status 302")
}
