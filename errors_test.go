package passfort_test

import (
	"bytes"
	"context"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/cases"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	get := func(ctx context.Context, c *passfort.Client) error { return failed(c.Profiles.Get(ctx, pid)) }
	create := func(ctx context.Context, c *passfort.Client) error { return failed(c.Profiles.Create(ctx, newProfile)) }
	check := func(ctx context.Context, c *passfort.Client) error { return failed(c.Checks.Get(ctx, pid, oid)) }
	companies := func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Search.Companies(ctx, &passfort.CompanySearchOptions{Country: "GBR", Query: "x"}))
	}
	for _, row := range []struct {
		name    string
		call    func(context.Context, *passfort.Client) error
		status  int
		body    string
		is      []error
		outcome passfort.Outcome
		codes   int
	}{
		{"404", get, 404, `{}`, []error{passfort.ErrNotFound}, passfort.OutcomeRejected, 0},
		{"401 without a body", get, 401, ``, []error{passfort.ErrUnauthorized}, passfort.OutcomeRejected, 0},
		{"403 with HTML", create, 403, `<html>no</html>`, []error{passfort.ErrForbidden}, passfort.OutcomeRejected, 0},
		{"400 with a list", create, 400, `{"errors":[{"code":101},{"code":201,"message":"m","source":"API"}]}`,
			[]error{passfort.CodeMissingRequiredFields, passfort.CodeInvalidInputData}, passfort.OutcomeRejected, 2},
		{"400 with one object", create, 400, `{"errors":{"code":105}}`, []error{passfort.CodeConstraintsNotSatisfied},
			passfort.OutcomeRejected, 1},
		{"400 with an unknown code", create, 400, `{"errors":[{"code":999,"new":true}]}`,
			[]error{passfort.ErrorCode(999)}, passfort.OutcomeRejected, 1},
		{"400 with truncated JSON", create, 400, `{"errors":[{"co`, nil, passfort.OutcomeRejected, 0},
		{"200 with a list", create, 200, `{"errors":[{"code":204}]}`,
			[]error{passfort.CodeInvalidAPIKey, passfort.ErrUnauthorized}, passfort.OutcomeRejected, 1},
		{"200 with one object", create, 200, `{"errors":{"code":104}}`, []error{passfort.CodeChargeableLimitReached},
			passfort.OutcomeRejected, 1},
		{"200 with a text", create, 200, `{"errors":"Invalid API key"}`, nil, passfort.OutcomeRejected, 1},
		{"303, a write", create, 303, ``, []error{passfort.ErrOutcomeUnknown}, passfort.OutcomeUnknown, 0},
		{"303, a read", get, 303, ``, nil, passfort.OutcomeRejected, 0},
		{"200 with errors on a read", get, 200, `{"errors":[{"code":302}]}`,
			[]error{passfort.CodeProviderConnectionError}, passfort.OutcomeRejected, 1},
		{"200 with errors and no check", check, 200, `{"errors":[{"code":203}]}`,
			[]error{passfort.CodeMissingAPIKey, passfort.ErrUnauthorized}, passfort.OutcomeRejected, 1},
		{"200 with errors and no companies", companies, 200, `{"errors":[{"code":303}],"companies":[]}`,
			[]error{passfort.CodeProviderUnknownError}, passfort.OutcomeRejected, 1},
		{"200 with nothing, a write", create, 200, ``, []error{passfort.ErrOutcomeUnknown}, passfort.OutcomeUnknown, 0},
		{"200 with HTML, a write", create, 200, `<html>`, []error{passfort.ErrOutcomeUnknown}, passfort.OutcomeUnknown,
			0},
		{"200 with a list, a write", create, 200, `[]`, []error{passfort.ErrOutcomeUnknown}, passfort.OutcomeUnknown,
			0},
		{"200 without an id, a write", create, 200, `{"surprise":true}`, []error{passfort.ErrOutcomeUnknown},
			passfort.OutcomeUnknown, 0},
		{"200 with HTML, a read", get, 200, `<html>`, nil, 0, 0},
		{"500, a read", get, 500, ``, nil, passfort.OutcomeRejected, 0},
		{"204 with nothing, a write", create, 204, ``, []error{passfort.ErrOutcomeUnknown}, passfort.OutcomeUnknown, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			err := row.call(t.Context(), newClient(t, serve(t, respond(row.status, row.body))))
			var failure *passfort.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, row.status, failure.StatusCode)
			require.Equal(t, row.outcome, failure.Outcome)
			require.Len(t, failure.Errors, row.codes)
			require.Equal(t, row.body, string(failure.Body()))
			for _, target := range row.is {
				require.ErrorIs(t, fmt.Errorf("wrapped: %w", err), target)
			}
			require.Equal(t, row.outcome == passfort.OutcomeUnknown, errors.Is(err, passfort.ErrOutcomeUnknown))
		})
	}
}

func TestErrorsThatAreResults(t *testing.T) {
	t.Parallel()
	c := newClient(t, serve(t,
		respond(200, `{"id":"x","state":"COMPLETE","decision":"ERROR","errors":[{"code":303,"message":"m"}]}`)))
	check, err := c.Checks.Run(t.Context(), pid, newCheck)
	require.NoError(t, err)
	require.Equal(t, passfort.CodeProviderUnknownError, check.Errors[0].Code)
	require.True(t, check.Done())

	c = newClient(t, serve(t, respond(200, `{"companies":[{"name":"Sample Ltd"}],"errors":[{"code":303}]}`)))
	found, err := c.Search.Companies(t.Context(), &passfort.CompanySearchOptions{Country: "GBR", Query: "x"})
	require.NoError(t, err)
	require.Len(t, found.Companies, 1)
	require.Len(t, found.Errors, 1)

	c = newClient(t, serve(t, respond(200, `{"id":"x","errors":{ }}`)))
	_, err = c.Profiles.Get(t.Context(), pid)
	require.NoError(t, err)

	c = newClient(t, serve(t, respond(200, `{"id":"x","check_type":"IDENTITY_CHECK","errors":[{"code":303}]}`)))
	require.NoError(t, c.Checks.Approve(t.Context(), pid, oid), "it answers with the new check")
	require.NoError(t, c.Checks.Reject(t.Context(), pid, oid))

	for _, none := range []string{`""`, `null`, `0`, `false`, `[]`} {
		c = newClient(t, serve(t, respond(200, `{"id":"x","errors":`+none+`}`)))
		require.NoError(t, failed(c.Profiles.Get(t.Context(), pid)), none)
	}

	c = newClient(t, serve(t, respond(200, `[{"id":"x","errors":[{"code":303}]}]`)))
	checks, err := c.Checks.List(t.Context(), pid)
	require.NoError(t, err)
	require.Len(t, checks[0].Errors, 1)
}

// canary is what must not be found in anything that is printed.
var canaries = []string{"canary-key", "Canaria", "1901-02-03", "canary_id", "canary query", "canary+query",
	"canary-message", "canary-note"}

// canaryCalls are the operations again, with marked data wherever data goes.
func canaryCalls() map[string]func(context.Context, *passfort.Client) error {
	const id = "canary_id"
	data := passfort.NewIndividual()
	data.PersonalDetails = &passfort.PersonalDetails{Name: &passfort.FullName{FamilyName: "Canaria"}, DOB: "1901-02-03"}
	calls := map[string]func(context.Context, *passfort.Client) error{
		"Profiles.Create": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Profiles.Create(ctx, &passfort.ProfileRequest{
				Role: passfort.RoleIndividualCustomer, CollectedData: data,
			}))
		},
		"Profiles.Get": func(ctx context.Context, c *passfort.Client) error { return failed(c.Profiles.Get(ctx, id)) },
		"Profiles.List": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Profiles.List(ctx, &passfort.ProfileListOptions{Query: "canary query"}))
		},
		"CollectedData.Update": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.CollectedData.Update(ctx, id, func(d *passfort.EntityData) error {
				d.CustomerRef += "Canaria"
				return nil
			}))
		},
		"CollectedData.Replace": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.CollectedData.Replace(ctx, id, &passfort.CollectedData{
				EntityData: *data, ETag: "canary_id",
			}))
		},
		"Checks.Run": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Checks.Run(ctx, id, newCheck))
		},
		"Checks.Wait": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Checks.Wait(ctx, id, id, nil))
		},
		"Tasks.AddNote": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Tasks.AddNote(ctx, id, id, &passfort.NoteRequest{Text: "canary-note"}))
		},
		"Tags.Search": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Tags.Search(ctx, "canary query", 0))
		},
		"Files.Upload": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Upload(ctx, id, &passfort.FileUpload{
				Name: "Canaria", Body: strings.NewReader(pngHead + "Canaria"),
			}))
		},
		"Files.Upload of text": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Upload(ctx, id, &passfort.FileUpload{
				Name: "Canaria", Body: strings.NewReader("Canaria"),
			}))
		},
		"Files.Download": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Download(ctx, id, id, io.Discard))
		},
		"Documents.Submit": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.Submit(ctx, id, &passfort.DocumentSubmission{
				Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypePassport,
				Images: []passfort.ImageUpload{{ID: id}, {Body: strings.NewReader(pngHead + "Canaria")}},
			}))
		},
		"bad id": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Profiles.Get(ctx, "../canary_id"))
		},
		"Do": func(ctx context.Context, c *passfort.Client) error {
			return failed(passfort.Do[json.RawMessage](ctx, c, passfort.Request{
				Method: "POST", Path: "/x/canary_id", Body: data,
			}))
		},
	}
	for _, op := range cases.All() {
		calls["plain "+op.Name] = func(ctx context.Context, c *passfort.Client) error {
			return op.Call(ctx, c, cases.Wire())
		}
	}
	return calls
}

// printed is every form in which an error can end up in a log.
func printed(t *testing.T, err error) string {
	t.Helper()
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Error("failed", "error", err)
	slog.New(slog.NewJSONHandler(&out, nil)).Error("failed", "error", err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%U"} {
		fmt.Fprintf(&out, verb+"\n", err)
	}
	asJSON, jsonErr := json.Marshal(err)
	require.NoError(t, jsonErr)
	out.Write(asJSON)
	var failure *passfort.Error
	if errors.As(err, &failure) {
		fmt.Fprintf(&out, "%v %+v %#v", *failure, *failure, *failure)
		fmt.Fprintf(&out, "%v %+v %#v", failure.Errors, failure.Errors, failure.Errors)
		for _, detail := range failure.Errors {
			fmt.Fprintf(&out, "%d %t %U", detail, detail, detail)
		}
	}
	var waited *passfort.WaitError
	if errors.As(err, &waited) {
		fmt.Fprintf(&out, "%v %+v %#v", *waited, *waited, *waited)
	}
	var conflict *passfort.ConflictError
	if errors.As(err, &conflict) {
		fmt.Fprintf(&out, "%v %+v %#v", *conflict, *conflict, *conflict)
	}
	var half *passfort.SubmitError
	if errors.As(err, &half) {
		fmt.Fprintf(&out, "%v %+v %#v", *half, *half, *half)
	}
	return out.String()
}

// watcher is an Observer that prints all it receives.
type watcher struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (w *watcher) print(what any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(&w.out, "%+v\n", what)
}

func (w *watcher) CallStarted(ctx context.Context, call passfort.CallInfo) context.Context {
	w.print(call)
	return ctx
}
func (w *watcher) AttemptEnded(_ context.Context, attempt passfort.AttemptInfo) { w.print(attempt) }
func (w *watcher) CallEnded(_ context.Context, result passfort.CallResult)      { w.print(result) }

func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	person := `{"id":"canary_id","entity_type":"INDIVIDUAL","personal_details":{"name":{"family_name":"Canaria"}},` +
		`"errors":[{"code":201,"message":"canary-message 1901-02-03"}]}`
	for name, answer := range map[string]http.HandlerFunc{
		"refused":      respond(400, person),
		"conflict":     respond(412, person),
		"errors in ok": respond(200, `{"errors":[{"code":201,"message":"canary-message Canaria"}]}`),
		"garbage":      respond(200, `{"canary_id": Canaria`),
		"HTML":         respond(502, `<p>canary-message`),
		"hang up":      hangUp,
		"never done":   respond(200, `{"id":"canary_id","state":"RUNNING","output_data":{"x":"Canaria"}}`),
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://canary_id.example/canary_id", http.StatusPermanentRedirect)
		},
		"echo, refused":        echo(400),
		"echo, limited":        echo(429),
		"echo, conflict":       echo(412),
		"echo, unavailable":    echo(503),
		"echo, redirected":     echo(307),
		"echo, not JSON":       echo(200),
		"echo, without status": echo(299),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for op, call := range canaryCalls() {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				s := serve(t, answer)
				var log bytes.Buffer
				watch := &watcher{}
				c, err := passfort.New("canary-key", passfort.WithBaseURL(s.URL), quick, passfort.WithObserver(watch),
					passfort.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
						Level: slog.LevelDebug,
					}))))
				require.NoError(t, err)
				all := fmt.Sprintf("%v %+v %#v", c, c, c)
				if err := call(ctx, c); err != nil {
					all += printed(t, err)
				}
				all += log.String() + watch.out.String()
				for _, canary := range canaries {
					require.NotContains(t, all, canary, "%s, %s", name, op)
				}
				if strings.HasPrefix(op, "plain ") {
					require.NotContains(t, all, pid, op)
					require.NotContains(t, all, oid, op)
				}
				cancel()
			}
		})
	}
}

// echo answers with the key, a person and the id in every header that a client may
// look at, and in every place of the body.
func echo(status int) http.HandlerFunc {
	headers := []string{"X-Request-Id", "Etag", "Retry-After", "Date", "Location", "Content-Type",
		"Content-Disposition",
		"Content-Encoding", "Content-Language", "Link", "Server", "Set-Cookie", "Vary", "Via", "Warning",
		"Www-Authenticate",
		"X-Ratelimit-Reset", "X-Canary-Key"}
	return func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("apikey")
		for _, name := range headers {
			w.Header().Set(name, key+" Canaria canary_id")
		}
		w.Header().Set("X-Request-Id", key)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w,
			`{"errors":[{"code":201,"message":%[1]q,"source":%[1]q,"type":%[1]q,"info":{%[1]q:%[1]q}}],%[1]q:1,`+
				`"id":%[1]q,"error":%[1]q,"message":%[1]q} Canaria`, key)
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"refused", respond(400, `{"errors":[{"code":201},{"code":7}]}`),
			"passfort: Profiles.Create: POST /profiles: 400 Bad Request: code 201 INVALID_INPUT_DATA: code 7"},
		{"lost", hangUp, "passfort: Profiles.Create: POST /profiles: connection reset by peer; it may have been " +
			"done: look before repeating it"},
		{"gateway", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", "0f7b2c91-req-77aa")
			w.WriteHeader(http.StatusBadGateway)
		}, "passfort: Profiles.Create: POST /profiles: 502 Bad Gateway; it may have been done: look before repeating " +
			"it (request 0f7b2c91-req-77aa)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := newClient(t, serve(t, row.answer)).Profiles.Create(t.Context(), newProfile)
			if overHTTP2() {
				row.want = strings.Replace(row.want, "connection reset by peer",
					"the server ended the stream: INTERNAL_ERROR", 1)
			}
			require.EqualError(t, err, row.want)
		})
	}
}

// A conflict prints what the failed write prints, and never the data.
// A fake of a service may return them without a call behind them.
func TestErrorsOfOnesOwnHaveAText(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&passfort.ConflictError{}, &passfort.RegistrationError{}, &passfort.SubmitError{}} {
		require.Contains(t, err.Error(), "the call failed")
		require.Equal(t, strconv.Quote(err.Error()), fmt.Sprintf("%q", err))
		require.Equal(t, hex.EncodeToString([]byte(err.Error())), fmt.Sprintf("%x", err))
	}
}

func TestConflictErrorText(t *testing.T) {
	t.Parallel()
	c := newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `W/"2"`)
		w.WriteHeader(http.StatusPreconditionFailed)
		_, _ = io.WriteString(w, `{"entity_type":"INDIVIDUAL","customer_ref":"Robin Sampleton"}`)
	}))
	_, err := c.CollectedData.Replace(t.Context(), pid, &passfort.CollectedData{
		EntityData: *passfort.NewIndividual(), ETag: `W/"1"`,
	})
	var conflict *passfort.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, `W/"2"`, conflict.Latest.ETag)
	require.Equal(t, "Robin Sampleton", conflict.Latest.CustomerRef)
	const want = "passfort: CollectedData.Replace: POST /profiles/{profile_id}/collected_data: 412 Precondition Failed"
	encoded, marshalErr := json.Marshal(conflict)
	require.NoError(t, marshalErr)
	for _, text := range []string{err.Error(), fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err),
		conflict.LogValue().String()} {
		require.Equal(t, want, text)
	}
	require.Equal(t, strconv.Quote(want), string(encoded))
}

func TestErrorCodes(t *testing.T) {
	t.Parallel()
	require.EqualError(t, passfort.CodeTransitionError, "passfort: code 402 TRANSITION_ERROR")
	require.EqualError(t, passfort.ErrorCode(7), "passfort: code 7")
	require.True(t, passfort.CodeTransitionError.Known())
	require.False(t, passfort.ErrorCode(7).Known())
}

func TestTransient(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		status int
		body   string
		want   bool
	}{
		{400, `{"errors":[{"code":201}]}`, false},
		{404, "", false},
		{412, "", false},
		{501, "", false},
		{408, "", true},
		{425, "", true},
		{429, "", true},
		{500, "", true},
		{502, "", true},
		{503, "", true},
		{504, "", true},
		{400, `{"errors":[{"code":301}]}`, true},
		{400, `{"errors":[{"code":302}]}`, true},
		{400, `{"errors":[{"code":201},{"code":303}]}`, true},
	} {
		t.Run(fmt.Sprint(row.status, row.body), func(t *testing.T) {
			t.Parallel()
			_, err := newClient(t, serve(t, respond(row.status, row.body))).Profiles.Create(t.Context(), newProfile)
			var failure *passfort.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, row.want, failure.Transient())
		})
	}
	_, err := newClient(t, serve(t, hangUp)).Profiles.Create(t.Context(), newProfile)
	var failure *passfort.Error
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.Transient(), "no answer")
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		_, _ = io.WriteString(w, `{"id":"x`)
	}
	_, err = newClient(t, serve(t, cut)).Profiles.Get(t.Context(), pid)
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.Transient(), "the answer broke off")
	_, err = newClient(t, serve(t, respond(200, `<html>`))).Profiles.Get(t.Context(), pid)
	require.ErrorAs(t, err, &failure)
	require.False(t, failure.Transient(), "an answer of another kind")
	_, err = newClient(t, serve(t, hangUp)).Profiles.Create(t.Context(), nil)
	require.ErrorAs(t, err, &failure)
	require.False(t, failure.Transient(), "bad input")
}

func TestBodyOfARefusal(t *testing.T) {
	t.Parallel()
	_, err := newClient(t, serve(t, respond(400, `{"errors":[{"code":201}],"more":1}`))).Profiles.Create(t.Context(),
		newProfile)
	var failure *passfort.Error
	require.ErrorAs(t, err, &failure)
	body := failure.Body()
	require.JSONEq(t, `{"errors":[{"code":201}],"more":1}`, string(body))
	clear(body)
	require.JSONEq(t, `{"errors":[{"code":201}],"more":1}`, string(failure.Body()), "a copy each time")
	require.Nil(t, new(passfort.Error).Body())
}

// TestErrorsInEncoders: an encoder gets the text of an error, never its fields.
func TestErrorsInEncoders(t *testing.T) {
	t.Parallel()
	type encodable interface {
		error
		encoding.TextMarshaler
		encoding.BinaryMarshaler
		MarshalBSON() ([]byte, error)
	}
	data := &passfort.CollectedData{EntityData: passfort.EntityData{CustomerRef: "canary-ref"}, ETag: "canary-tag"}
	detail := []passfort.ErrorDetail{{Code: passfort.CodeInvalidInputData, Message: "canary-message"}}
	for _, err := range []encodable{
		&passfort.ConflictError{Latest: data},
		&passfort.Error{Operation: "Profiles.Get", Errors: detail, RequestID: "canary request"},
		&passfort.WaitError{Check: &passfort.Check{ID: "canary-check"}},
		&passfort.RegistrationError{ProfileID: "canary-profile"},
		&passfort.SubmitError{},
		&passfort.PanicError{Value: "canary-value"},
	} {
		name := fmt.Sprintf("%T", err)
		text, failure := err.MarshalText()
		require.NoError(t, failure, name)
		require.Equal(t, err.Error(), string(text), name)
		binary, failure := err.MarshalBinary()
		require.NoError(t, failure, name)
		asXML, failure := xml.Marshal(err)
		require.NoError(t, failure, name)
		require.NotContains(t, string(binary)+string(asXML), "canary", name)
		_, failure = err.MarshalBSON()
		require.Error(t, failure, name)
	}
}

func TestCodesOfProviders(t *testing.T) {
	t.Parallel()
	for code, row := range map[passfort.ErrorCode]struct {
		name      string
		transient bool
	}{
		passfort.CodeTooManyMatches:        {"code 108 TOO_MANY_MATCHES", false},
		passfort.CodeProviderMisconfigured: {"code 205 PROVIDER_MISCONFIGURED", false},
		passfort.CodeProviderTimeout:       {"code 403 PROVIDER_TIMEOUT", true},
	} {
		err := failed(newClient(t, serve(t, respond(200, fmt.Sprintf(`{"errors":[{"code":%d}]}`,
			int(code))))).Tags.Search(t.Context(), "x", 0))
		require.ErrorIs(t, err, code)
		require.ErrorContains(t, err, row.name)
		var failure *passfort.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, row.transient, failure.Transient())
		require.True(t, code.Known())
	}
}
