package passfort_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/cases"
)

// answerShapes are texts that take up as much memory as they can.
func answerShapes() map[string]func() io.Reader {
	repeated := func(begin, part string) func() io.Reader {
		return func() io.Reader { return io.MultiReader(strings.NewReader(begin), &endlessText{part: part}) }
	}
	return map[string]func() io.Reader{
		"numbers":              repeated(`[`, `0,`),
		"odd numbers":          repeated(`[`, `NaN,`),
		"nulls":                repeated(`[`, `null,`),
		"empty objects":        repeated(`[`, `{},`),
		"empty lists":          repeated(`[`, `[],`),
		"empty texts":          repeated(`[`, `"",`),
		"results":              repeated(`{"results":[`, `{},`),
		"tags of results":      repeated(`{"results":[{"tags":[`, `{},`),
		"checks":               repeated(`[`, `{"errors":[{},{},{}]},`),
		"one text":             repeated(`{"id":"`, `x`),
		"one escaped text":     repeated(`{"id":"`, `\n`),
		"unknown members":      func() io.Reader { return &members{} },
		"the same member":      repeated(`{`, `"id":"x",`),
		"the same unknown one": repeated(`{`, `"x":0,`),
		"the same one behind many": func() io.Reader {
			many := io.LimitReader(&members{}, 1001)
			return io.MultiReader(many, strings.NewReader(`":0,`), &endlessText{part: `"x":0,`})
		},
		"members of a map": func() io.Reader {
			return io.MultiReader(strings.NewReader(`{"custom_fields_data":`), &members{})
		},
		"lists in a map":    repeated(`{"custom_fields_data":{"a":[`, `[],`),
		"levels":            repeated(``, `[`),
		"levels of objects": repeated(``, `{"a":`),
		"errors":            repeated(`{"errors":[`, `{},`),
		"one error": func() io.Reader {
			return io.MultiReader(strings.NewReader(`{"entity_type":"X","errors":[`), &members{})
		},
		"white space":       repeated(``, ` `),
		"a byte order mark": repeated("\xef\xbb\xbf[", `0,`),
		"pointers":          repeated(`{"entity_type":"X","officers":{"directors":[`, `{"data":{}},`),
		"documents":         repeated(`{"documents":[`, `{"images":[{}]},`),
	}
}

// closing ends a text that was cut after n bytes so that it is JSON.
func closed(text io.Reader, n int64) string {
	raw, _ := io.ReadAll(io.LimitReader(text, n))
	s := string(raw)
	if i := strings.LastIndexByte(s, ','); i > 0 {
		s = s[:i]
	}
	missing := func(open, end string) string {
		return strings.Repeat(end, max(0, strings.Count(s, open)-strings.Count(s, end)))
	}
	return s + missing("[", "]") + missing("{", "}")
}

// No answer of any shape, whole or endless, compressed or not, makes the client hold
// more than four times the limit.
func TestAnswersHoldLittle(t *testing.T) {
	measuresMemory(t)
	limit := int64(4 << 20)
	if os.Getenv("PASSFORT_LONG") != "" {
		limit = 64 << 20
	}
	const overhead = 2 << 20 // of a call and a connection
	const replace = "CollectedData.Replace"
	calls := map[string]func(context.Context, *passfort.Client) error{
		"Checks.List": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Checks.List(ctx, pid))
		},
		"Profiles.List": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Profiles.List(ctx, nil))
		},
		"CollectedData.Get": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.CollectedData.Get(ctx, pid))
		},
		"Profiles.Create": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Profiles.Create(ctx, newProfile))
		},
		"Forms.CustomerRequest": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Forms.CustomerRequest(ctx, pid))
		},
		replace: func(ctx context.Context, c *passfort.Client) error { // which is answered with 412
			data := &passfort.CollectedData{EntityData: *passfort.NewIndividual(), ETag: `"1"`}
			return failed(c.CollectedData.Replace(ctx, pid, data))
		},
		"Do": func(ctx context.Context, c *passfort.Client) error {
			return failed(passfort.Do[any](ctx, c, passfort.Request{Method: "GET", Path: "/new"}))
		},
	}
	if os.Getenv("PASSFORT_LONG") == "" {
		delete(calls, "Profiles.List")
		delete(calls, "CollectedData.Get")
	}
	quickly := []string{"numbers", "odd numbers", "nulls", "empty objects", "unknown members", "members of a map",
		"one text", "errors", "the same one behind many", "one error", "pointers"}
	for name, shape := range answerShapes() {
		if os.Getenv("PASSFORT_LONG") == "" && !slices.Contains(quickly, name) {
			continue
		}
		for _, end := range []string{"endless", "just within"} {
			t.Run(name+"/"+end, func(t *testing.T) {
				body := shape()
				if end == "just within" {
					body = strings.NewReader(closed(shape(), limit-64))
				} else {
					body = io.LimitReader(body, 3*limit)
				}
				packed := &strings.Builder{}
				zip, _ := gzip.NewWriterLevel(packed, gzip.BestSpeed)
				_, _ = io.Copy(zip, body)
				_ = zip.Close()
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Encoding", "gzip")
					w.Header().Set("Etag", `"2"`)
					if r.Header.Get("If-Match") != "" {
						w.WriteHeader(http.StatusPreconditionFailed)
					}
					_, _ = io.WriteString(w, packed.String())
				})
				c := newClient(t, s, passfort.WithMaxAnswer(limit), passfort.WithRetry(passfort.RetryPolicy{
					MaxAttempts: 1,
				}))
				for call, send := range calls {
					var err error
					peak := peakHeap(func() { err = send(t.Context(), c) })
					require.LessOrEqual(t, peak, 4*limit+overhead, call)
					if end == "endless" && call != replace {
						require.ErrorIs(t, err, passfort.ErrAnswerTooLarge, call)
					}
					t.Logf("%s: %.2f times the limit, %v", call, float64(peak)/float64(limit), err)
				}
			})
		}
	}
}

// The header of an answer, which takes many times its text as names and values, may have
// 256 KiB, over HTTP/2 too.
func TestHeaderOfAnAnswerHasALimit(t *testing.T) {
	t.Parallel()
	for size, fits := range map[int]bool{200 << 10: true, 300 << 10: false, 3 << 20: false} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			for i := range size / 1000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 960))
			}
			respond(200, `{"id":"p"}`)(w, r)
		})
		c := newClient(t, s)
		err := failed(c.Profiles.Get(t.Context(), pid))
		require.Equal(t, fits, err == nil, "%d: %v", size, err)
		if fits {
			continue
		}
		if !overHTTP2() { // where the connection ends
			require.ErrorIs(t, err, passfort.ErrAnswerTooLarge)
			require.ErrorContains(t, err, "the header of the answer is larger than the limit")
			require.Len(t, s.seen(), 1, "it would be as large again")
		}
		require.ErrorIs(t, failed(c.Profiles.Create(t.Context(), newProfile)), passfort.ErrOutcomeUnknown)
	}
}

// The limit can be set, and is refused if it is none.
func TestWithMaxAnswer(t *testing.T) {
	t.Parallel()
	answer := `{"id":"p","display_name":"` + strings.Repeat("x", 1000) + `"}`
	s := serve(t, respond(200, answer))
	for limit, fits := range map[int64]bool{int64(len(answer)): true, int64(len(answer)) - 1: false, 1: false} {
		c := newClient(t, s, passfort.WithMaxAnswer(limit))
		before := len(s.seen())
		err := failed(c.Profiles.Get(t.Context(), pid))
		require.Equal(t, fits, err == nil, limit)
		require.Len(t, s.seen()[before:], 1, "it would be as large again")
		if !fits {
			require.ErrorIs(t, err, passfort.ErrAnswerTooLarge)
			err = failed(c.Profiles.Create(t.Context(), newProfile))
			require.ErrorIs(t, err, passfort.ErrAnswerTooLarge)
			require.ErrorIs(t, err, passfort.ErrOutcomeUnknown, "it may have been made")
		}
	}
	for _, bad := range []int64{0, -1} {
		_, err := passfort.New(testKey, passfort.WithMaxAnswer(bad))
		require.ErrorIs(t, err, passfort.ErrInvalidInput)
	}
}

// A refusal with many items makes no long text, and no list of them all.
func TestManyErrorItems(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400} {
		body := `{"errors":[` + strings.Repeat(`{"code":201,"message":"Kim"},`, 30_000) + `{"code":201}]}`
		err := failed(newClient(t, serve(t, respond(status, body))).Profiles.Create(t.Context(), newProfile))
		var failure *passfort.Error
		require.ErrorAs(t, err, &failure)
		require.Len(t, failure.Errors, 20)
		require.ErrorIs(t, err, passfort.CodeInvalidInputData)
		require.Less(t, len(err.Error()), 500)
		require.ErrorContains(t, err, "and 15 more")
		require.Less(t, len(fmt.Sprint(failure.LogValue())), 500)
	}
}

// FuzzAnswer makes answers of a shape as large as they may be: how one begins, and
// what is repeated to the end. None makes the client hold more than four times the
// limit.
func FuzzAnswer(f *testing.F) {
	measuresMemory(f)
	for _, shape := range [][2]string{
		{`[`, `0,`}, {`[`, `{},`}, {`[`, `[],`}, {`[`, `null,`}, {`{"results":[`, `{"tags":[{}]},`}, {`{"id":"`, `x`},
		{`{"id":"`, `\n`},
		{`{`, `"x":0,`}, {`{"custom_fields_data":{"a":[`, `[],`}, {``, `[`}, {``, `{"a":`}, {`{"errors":[`, `{},`},
		{``, ` `},
		{`{"officers":{"directors":[`, `{"data":{}},`}, {`[`, `{"errors":[{},{},{}]},`},
		{`{"documents":[`, `{"images":[{}]},`},
	} {
		f.Add(shape[0], shape[1])
	}
	const limit, overhead = 512 << 10, 2 << 20
	f.Fuzz(func(t *testing.T, begin, part string) {
		if part == "" || len(begin) > 1000 || len(part) > 1000 {
			return
		}
		text := closed(io.MultiReader(strings.NewReader(begin), &endlessText{part: part}), limit-64)
		c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) { return answered(200, text), nil }),
			passfort.WithMaxAnswer(limit), passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}))
		for call, send := range map[string]func() error{
			"Checks.List":       func() error { return failed(c.Checks.List(t.Context(), pid)) },
			"Profiles.List":     func() error { return failed(c.Profiles.List(t.Context(), nil)) },
			"CollectedData.Get": func() error { return failed(c.CollectedData.Get(t.Context(), pid)) },
			"Do": func() error {
				return failed(passfort.Do[any](t.Context(), c, passfort.Request{Method: "GET", Path: "/x"}))
			},
		} {
			require.LessOrEqual(t, peakHeap(func() { _ = send() }), int64(4*limit+overhead), call)
		}
	})
}

func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"id":"x"`)
	}
	s := serve(t, cut)
	_, err := newClient(t, s).Profiles.Get(t.Context(), pid)
	var failure *passfort.Error
	require.ErrorAs(t, err, &failure)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Len(t, s.seen(), 3, "a read whose answer broke is repeated")

	s = serve(t, cut)
	_, err = newClient(t, s).Profiles.Create(t.Context(), newProfile)
	require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
	require.Len(t, s.seen(), 1)

	s = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for chunk := bytes.Repeat([]byte(" "), 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	_, err = newClient(t, s).Profiles.Get(t.Context(), pid)
	require.ErrorContains(t, err, "larger than the limit")
	require.Len(t, s.seen(), 1)
}

// A 200 that is not JSON may be the page of something in between, or a refusal
// that was cut off.
func TestSuccessThatIsNotJSONIsNotASuccess(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"HTML":           "<html><body>Sign in</body></html>",
		"a cut envelope": `{"errors":[{"code":201`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, respond(http.StatusOK, body))
			c := newClient(t, s)
			require.ErrorIs(t, c.Checks.Approve(t.Context(), pid, oid), passfort.ErrOutcomeUnknown)
			require.ErrorIs(t, c.Profiles.Delete(t.Context(), pid, ""), passfort.ErrOutcomeUnknown)
			require.Len(t, s.seen(), 2, "neither may be repeated")
		})
	}
}

func TestEmptyReportIsAnError(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(http.StatusOK, ""))
	_, err := newClient(t, s).Audit.PDFReport(t.Context(), pid, io.Discard)
	require.Error(t, err)
	require.Len(t, s.seen(), 3, "a read is repeated")
}

func TestReportThatIsARefusal(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(http.StatusOK, `{"errors":[{"code":204}]}`))
	var out bytes.Buffer
	_, err := newClient(t, s).Audit.PDFReport(t.Context(), pid, &out)
	require.ErrorIs(t, err, passfort.CodeInvalidAPIKey)
	require.Zero(t, out.Len())
	require.Equal(t, "application/pdf, */*", s.seen()[0].Header.Get("Accept"))

	for name, report := range map[string]string{
		"short":               "%PDF-1.7 report",
		"long":                "%PDF-1.7 " + strings.Repeat("report ", 100_000),
		"something before it": "\xef\xbb\xbf\r\n%PDF-1.7 report",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			got, err := newClient(t, serve(t, respond(http.StatusOK, report))).Audit.PDFReport(t.Context(), pid, &out)
			require.NoError(t, err)
			require.Equal(t, report, out.String())
			require.EqualValues(t, len(report), got.Size)
		})
	}
	for name, answer := range map[string]http.HandlerFunc{
		"JSON":            respond(http.StatusOK, `{"report":"as JSON","errors":[]}`),
		"HTML":            respond(http.StatusOK, "<!DOCTYPE html><html>sign in</html>"),
		"text":            respond(http.StatusOK, "come back later"),
		"a PDF as a text": respond(http.StatusOK, strings.Repeat(" ", 2000)+"%PDF-1.7"),
		"a PDF that says it is HTML": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "%PDF-1.7 <html>")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := serve(t, answer)
			_, err := newClient(t, s).Audit.PDFReport(t.Context(), pid, &out)
			require.ErrorContains(t, err, "another shape")
			require.Zero(t, out.Len())
			require.Len(t, s.seen(), 1)
		})
	}
}

// The audit report ends at 500 MB, whatever comes.
func TestReportHasALimit(t *testing.T) {
	t.Parallel()
	c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
		resp := answered(200, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("%PDF-1.7 "), &endlessText{part: "x"}))
		resp.ContentLength = -1
		return resp, nil
	}))
	var n counted
	_, err := c.Audit.PDFReport(t.Context(), pid, &n)
	require.ErrorIs(t, err, passfort.ErrAnswerTooLarge)
	require.EqualValues(t, 500_000_000, n)
}

// counted counts what is written to it.
type counted int64

func (c *counted) Write(p []byte) (int, error) {
	*c += counted(len(p))
	return len(p), nil
}

// An answer that is compressed although it was not asked for is understood, of
// whatever operation.
func TestCompressedAnswers(t *testing.T) {
	t.Parallel()
	encodings := map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	}
	for encoding, pack := range encodings {
		for _, op := range cases.All() {
			t.Run(encoding+"/"+op.Name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Encoding", encoding)
					zip := pack(w)
					_, _ = io.WriteString(zip, op.Answer)
					_ = zip.Close()
				})
				c := newClient(t, s)
				require.NoError(t, op.Call(t.Context(), c, cases.Wire()))
			})
		}
	}
	t.Run("cut", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			var buf bytes.Buffer
			zip := gzip.NewWriter(&buf)
			_, _ = zip.Write([]byte(`{"id":"x","display_name":"` + strings.Repeat("y", 1000) + `"}`))
			_ = zip.Close()
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(buf.Bytes()[:buf.Len()-10])
		})
		require.Error(t, failed(newClient(t, s).Profiles.Get(t.Context(), pid)))
		require.Len(t, s.seen(), 3)
	})
}

// A byte order mark, and numbers that JSON does not have, turn no profile that was
// made into an unknown outcome. Collected data, which goes back as a whole, is not
// read without them.
func TestOddJSON(t *testing.T) {
	t.Parallel()
	const made = `{"id":"p1","new":{"score":NaN,"list":[-Infinity,Infinity],"text":"NaN \" Infinity"}}`
	for name, body := range map[string]string{"a mark": "\xef\xbb\xbf" + `{"id":"p1"}`, "odd numbers": made,
		"both": "\xef\xbb\xbf" + made} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newClient(t, serve(t, respond(200, body))).Profiles.Create(t.Context(), newProfile)
			require.NoError(t, err)
			require.Equal(t, "p1", got.ID)
			got, err = newClient(t, serve(t, respond(200, body))).Profiles.Get(t.Context(), pid)
			require.NoError(t, err)
			require.Equal(t, "p1", got.ID)
		})
	}
	s := serve(t, respond(200, `{"entity_type":"INDIVIDUAL","new":NaN}`))
	c := newClient(t, s)
	require.ErrorContains(t, failed(c.CollectedData.Get(t.Context(), pid)), "not valid JSON")
	_, err := newClient(t, serve(t, respond(400, "\xef\xbb\xbf"+
		`{"errors":[{"code":201}]}`))).Profiles.Create(t.Context(), newProfile)
	require.ErrorIs(t, err, passfort.CodeInvalidInputData)
}

// A refusal with status 200 is one however its JSON is odd, whatever the operation
// answers with. One whose errors stand twice may be none, and is no success.
func TestRefusalsInOddJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	calls := map[string]func(context.Context, *passfort.Client) error{
		"a write": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Applications.SetStatus(ctx, pid, oid, passfort.ApplicationStatusApproved))
		},
		"a bare write": func(ctx context.Context, c *passfort.Client) error { return c.Checks.Approve(ctx, pid, oid) },
		"Do": func(ctx context.Context, c *passfort.Client) error {
			return failed(passfort.Do[map[string]any](ctx, c, passfort.Request{Method: "POST", Path: "/x"}))
		},
		"DoTo": func(ctx context.Context, c *passfort.Client) error {
			return failed(passfort.DoTo(ctx, c, passfort.Request{Method: "POST", Path: "/x"}, &out))
		},
	}
	for name, row := range map[string]struct {
		body    string
		outcome passfort.Outcome
	}{
		"a mark":      {"\xef\xbb\xbf" + `{"errors":[{"code":201}]}`, passfort.OutcomeRejected},
		"odd numbers": {`{"errors":[{"code":201,"info":{"score":NaN}}]}`, passfort.OutcomeRejected},
		"both":        {"\xef\xbb\xbf" + `{"errors":[{"code":201}],"score":-Infinity}`, passfort.OutcomeRejected},
		"an escape":   {`{"\u0065rrors":[{"code":201}]}`, passfort.OutcomeRejected},
		"twice":       {`{"errors":[],"errors":[{"code":201}]}`, passfort.OutcomeUnknown},
		"the other":   {`{"errors":[{"code":201}],"\u0065rrors":[]}`, passfort.OutcomeUnknown},
	} {
		for call, send := range calls {
			err := send(t.Context(), newClient(t, serve(t, respond(200, row.body))))
			var failure *passfort.Error
			require.ErrorAs(t, err, &failure, "%s: %s", name, call)
			require.Equal(t, row.outcome, failure.Outcome, "%s: %s", name, call)
			require.Equal(t, row.outcome == passfort.OutcomeRejected, errors.Is(err, passfort.CodeInvalidInputData))
		}
	}
	require.Zero(t, out.Len())
	refused := respond(400, `{"errors":[{"code":201,"info":{"score":NaN}}]}`)
	require.ErrorIs(t, failed(newClient(t, serve(t, refused)).Profiles.Get(t.Context(), pid)),
		passfort.CodeInvalidInputData)
}

// A success that comes before all of an image was sent is none that can be relied on.
func TestAnswerBeforeTheWholeBody(t *testing.T) {
	t.Parallel()
	for name, reads := range map[string]bool{"nothing is read": false, "all is read": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if reads {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				respond(200, `{"id":"f"}`)(w, r)
			}))
			image := append([]byte("%PDF-1.7\n"), make([]byte, 24<<20)...) // more than buffers on the way hold
			_, err := newClient(t, &server{Server: s}).Files.Upload(t.Context(), pid, &passfort.FileUpload{
				Name: "scan", Body: bytes.NewReader(image),
			})
			if reads {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
			require.ErrorContains(t, err, "before all of the request was sent")
		})
	}
}
