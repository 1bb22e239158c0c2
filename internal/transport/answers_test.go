package transport_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/transport"
)

// packed is a text in a compression.
func packed(coding string, text []byte) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip", "X-GZIP":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw":
		w, _ = flate.NewWriter(&b, flate.BestSpeed)
	default:
		return text
	}
	_, _ = w.Write(text)
	_ = w.Close()
	return b.Bytes()
}

// What the header says is undone from the last to the first, and what is not known is
// left as it is.
func TestContentEncodings(t *testing.T) {
	t.Parallel()
	const text = `{"id":"p1"}`
	for _, row := range []struct {
		header []string
		made   []string
		left   bool
	}{
		{[]string{"gzip"}, []string{"gzip"}, false},
		{[]string{"X-GZIP"}, []string{"X-GZIP"}, false},
		{[]string{"deflate"}, []string{"deflate"}, false},
		{[]string{"deflate"}, []string{"raw"}, false},
		{[]string{"identity"}, nil, false},
		{[]string{""}, nil, false},
		{[]string{"identity, gzip"}, []string{"gzip"}, false},
		{[]string{"gzip, gzip"}, []string{"gzip", "gzip"}, false},
		{[]string{"gzip,deflate"}, []string{"gzip", "deflate"}, false},
		{[]string{"deflate", "gzip"}, []string{"raw", "gzip"}, false},
		{[]string{"gzip, gzip, gzip"}, []string{"gzip", "gzip", "gzip"}, false},
		{[]string{"gzip, gzip, gzip, gzip"}, []string{"gzip", "gzip", "gzip", "gzip"}, true},
		{[]string{"br"}, nil, true},
		{[]string{"zstd, gzip"}, []string{"gzip"}, true},
	} {
		t.Run(fmt.Sprint(row.header), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				body := []byte(text)
				for _, coding := range row.made {
					body = packed(coding, body)
				}
				res, _ := do(t, &transport.Call{}, func(*http.Request) reply {
					r := respond(200, bytes.NewReader(body))
					r.header["Content-Encoding"] = row.header
					r.length = int64(len(body))
					return r
				})
				require.NoError(t, res.Err)
				if row.left {
					require.Equal(t, row.header, res.Header.Values("Content-Encoding"))
					require.Equal(t, body, res.Body)
					return
				}
				require.Empty(t, res.Header.Values("Content-Encoding"))
				require.Equal(t, text, string(res.Body))
			})
		})
	}
}

// What is not compressed as it says is a broken answer, and nothing but a refusal whose
// text is lost.
func TestBrokenCompression(t *testing.T) {
	t.Parallel()
	for _, coding := range []string{"gzip", "deflate"} {
		for name, body := range map[string]string{
			"plain":            `{"errors":[]}`,
			"cut at its start": string(packed(coding, []byte("{}"))[:1]),
			"cut at its end":   string(packed(coding, []byte("{}"))[:9]),
		} {
			for status, refused := range map[int]bool{200: false, 412: false, 400: true, 409: true, 302: true} {
				t.Run(fmt.Sprint(coding, " ", name, " ", status), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						res, s := do(t, &transport.Call{}, answer(status, body, "Content-Encoding", coding))
						require.Equal(t, refused, res.Err == nil)
						require.Equal(t, status, res.Status)
						require.Equal(t, !refused, res.Uncertain())
						require.Len(t, s.at, 1)
					})
				})
			}
			t.Run(fmt.Sprint(coding, " ", name, " 429"), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					res, s := do(t, &transport.Call{}, answer(429, body, "Content-Encoding", coding), answer(200, "{}"))
					require.NoError(t, res.Err)
					require.Len(t, s.at, 2, "a write that was turned away")
				})
			})
		}
	}
}

// After 101 nothing ends the connection with the context. What came is no answer: the
// write may be done.
func TestAnswersThatAreNotFinal(t *testing.T) {
	t.Parallel()
	for _, status := range []int{-1, 0, 100, 101, 199} {
		for _, class := range classes {
			t.Run(fmt.Sprint(status, " ", class), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					closed := make(chan struct{})
					held := readCloser{stalled{closed}, func() { close(closed) }}
					res, s := do(t, &transport.Call{Class: class}, func(*http.Request) reply {
						return respond(status, held)
					})
					require.EqualError(t, res.Err, "the answer is not a final one")
					require.True(t, transport.IsLasting(res.Err))
					require.True(t, res.Uncertain())
					require.Equal(t, status, res.Status)
					require.Len(t, s.at, 1)
					<-closed
				})
			})
		}
	}
}

// stalled has nothing to read until it is closed.
type stalled struct{ closed chan struct{} }

func (s stalled) Read([]byte) (int, error) {
	<-s.closed
	return 0, io.ErrClosedPipe
}

// An error that holds an io.EOF is no end of a body.
func TestBodyThatEndsWithAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		broke := fmt.Errorf("the tunnel closed: %w", io.EOF)
		res, s := do(t, &transport.Call{Class: transport.Safe}, func(*http.Request) reply {
			return respond(200, io.MultiReader(strings.NewReader("1"), iotest.ErrReader(broke)))
		}, answer(200, "12"))
		require.NoError(t, res.Err)
		require.Equal(t, "12", string(res.Body))
		require.Len(t, s.at, 2)
	})
}

// A redirect that leaves the body out leaves out what the header says of it.
func TestRedirectWithoutTheBody(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var second *http.Request
				header := http.Header{"Content-Type": {"application/json"}}
				call := &transport.Call{Class: transport.Safe, Header: header,
					Body: &transport.Body{Length: 2, Open: func() (io.ReadCloser, error) {
						return io.NopCloser(strings.NewReader("{}")), nil
					}}}
				res, s := do(t, call, answer(status, "", "Location", "/4.0/there"), func(req *http.Request) reply {
					second = req
					return respond(200, strings.NewReader("{}"))
				})
				require.Equal(t, 200, res.Status)
				require.Equal(t, []string{"{}"}, s.bodies)
				require.Equal(t, http.MethodGet, second.Method)
				require.Empty(t, second.Header.Values("Content-Type"))
				require.Equal(t, []string{"application/json"}, call.Header["Content-Type"])
			})
		})
	}
}

// A call whose context ends between two hops was sent.
func TestContextEndsAtARedirect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		res, s := doIn(ctx, &transport.Call{Class: transport.Safe}, policy, func(*http.Request) reply {
			cancel()
			return respond(307, strings.NewReader(""), "Location", "/4.0/there")
		})
		require.ErrorIs(t, res.Err, context.Canceled)
		require.Equal(t, transport.Maybe, res.Sent)
		require.Len(t, s.at, 1)
	})
}
