package passfort_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// downloads are the two ways to read an image back.
var downloads = map[string]func(context.Context, *passfort.Client, io.Writer, ...passfort.CallOption) (string, error){
	"file": func(ctx context.Context, c *passfort.Client, w io.Writer, opts ...passfort.CallOption) (string, error) {
		got, err := c.Files.Download(ctx, pid, oid, w, opts...)
		if got == nil {
			return "", err
		}
		return got.ID, err
	},
	"document image": func(ctx context.Context, c *passfort.Client, w io.Writer, opts ...passfort.CallOption) (string, error) {
		got, err := c.Documents.DownloadImage(ctx, pid, oid, w, opts...)
		if got == nil {
			return "", err
		}
		return got.ID, err
	},
}

func TestContentUnavailable(t *testing.T) {
	t.Parallel()
	for name, rest := range map[string]string{
		"absent":    ``,
		"empty":     `,"decrypted_data":""`,
		"null":      `,"decrypted_data":null`,
		"encrypted": `,"encrypted_data":{"data":"c2VjcmV0"}`,
		"bare URI":  `,"decrypted_data":"data:image/png;base64,"`,
	} {
		for kind, download := range downloads {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, respond(200, `{"id":"`+oid+`"`+rest+`}`))
				var w bytes.Buffer
				var response passfort.Response
				id, err := download(t.Context(), newClient(t, s), &w, passfort.CaptureResponse(&response))
				require.ErrorIs(t, err, passfort.ErrContentUnavailable)
				require.Equal(t, oid, id, "what describes it comes all the same")
				require.Zero(t, w.Len())
				require.Len(t, s.seen(), 1)
				require.Equal(t, 200, response.StatusCode)
				require.Equal(t, 200, requireOutcome(t, err, 0).StatusCode)
			})
		}
	}
}

func TestDownloadForms(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 4, 5, 100, 24<<10 - 1, 24 << 10, 24<<10 + 1, 300_000} {
		img := picture(n)
		text := base64Of(img)
		for name, form := range map[string]string{
			"padded": text, "unpadded": strings.TrimRight(text, "="), "URI": "data:image/png;base64," + text,
			"escaped": strings.ReplaceAll(text, "/", `\/`),
		} {
			s := serve(t, respond(200, `{"decrypted_data":"`+form+`","id":"`+oid+`","name":"x","new":{"a":[1]}}`))
			c := newClient(t, s)
			for kind, download := range downloads {
				var w bytes.Buffer
				var last int64
				id, err := download(t.Context(), c, &w, passfort.OnProgress(func(done, total int64) {
					require.Zero(t, total)
					last = done
				}))
				require.NoError(t, err, "%s %s %d", kind, name, n)
				require.Equal(t, oid, id)
				require.True(t, bytes.Equal(img, w.Bytes()), "%s %s %d", kind, name, n)
				require.EqualValues(t, n, last)
			}
			file, err := c.Files.Get(t.Context(), pid, oid)
			require.NoError(t, err)
			require.Empty(t, file.DecryptedData)
			require.Equal(t, "x", file.Name)
			back, err := json.Marshal(file)
			require.NoError(t, err)
			require.JSONEq(t, `{"id":"`+oid+`","name":"x","new":{"a":[1]}}`, string(back))
		}
	}
}

func TestDownloadFailures(t *testing.T) {
	t.Parallel()
	long := `{"id":"` + oid + `","decrypted_data":"` + base64Of(picture(200_000))
	cut := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)+10))
			_, _ = io.WriteString(w, body)
		}
	}
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
		sent   int
		status int
		text   string
	}{
		{"cut before the content", cut(`{"id":"`), 3, 200, "ends early"},
		{"cut in the content", cut(long), 1, 200, "ends early"},
		{"ends within the content", respond(200, long), 1, 200, "ends early"},
		{"empty", respond(200, ""), 3, 200, "ends early"},
		{"503", respond(503, ""), 3, 503, "503"},
		{"404", respond(404, `{"errors":[{"code":201}]}`), 1, 404, "404"},
		{"errors in a 200", respond(200, `{"errors":[{"code":203}]}`), 1, 200, "MISSING_API_KEY"},
		{"HTML", respond(200, "<html>"), 1, 200, "not valid JSON"},
		{"bad Base64", respond(200, `{"id":"x","decrypted_data":"AAAA!AAA"}`), 1, 200, "not valid Base64"},
		{"two contents", respond(200, `{"id":"x","decrypted_data":"AAAA","decrypted_data":"AAAA"}`), 1, 200, "not valid JSON"},
	} {
		for kind, download := range downloads {
			t.Run(kind+" "+row.name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, row.answer)
				var w bytes.Buffer
				id, err := download(t.Context(), newClient(t, s), &w)
				failure := requireOutcome(t, err, failureOutcome(row.status, row.text))
				require.Empty(t, id)
				require.Equal(t, row.status, failure.StatusCode)
				require.ErrorContains(t, err, row.text)
				require.NotErrorIs(t, err, passfort.ErrContentUnavailable)
				require.Len(t, s.seen(), row.sent)
			})
		}
	}
}

// failureOutcome is the outcome of a read: none, unless the server refused it.
func failureOutcome(status int, text string) passfort.Outcome {
	if status/100 != 2 || text == "MISSING_API_KEY" {
		return passfort.OutcomeRejected
	}
	return 0
}

func TestWriterThatFails(t *testing.T) {
	t.Parallel()
	full := errors.New("scans/mary/passport.png: no space left")
	s := serve(t, respond(200, `{"id":"x","decrypted_data":"`+base64Of(picture(100_000))+`"}`))
	for kind, download := range downloads {
		_, err := download(t.Context(), newClient(t, s), writerFunc(func([]byte) (int, error) { return 0, full }))
		require.ErrorIs(t, err, full, kind)
		require.ErrorContains(t, err, "cannot be written")
		require.NotContains(t, err.Error(), "mary")
	}
	require.Len(t, s.seen(), 2)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
