package transport_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/transport"
)

func TestBodies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		opened := 0
		body := &transport.Body{Length: 5, Open: func() (io.ReadCloser, error) {
			opened++
			return io.NopCloser(strings.NewReader("hello")), nil
		}}
		res, s := do(t, &transport.Call{Class: transport.Safe, Body: body}, answer(503, ""), answer(200, "{}"))
		require.NoError(t, res.Err)
		require.Equal(t, []string{"hello", "hello"}, s.bodies)

		whole := false
		body.Replayable = func() bool { return whole }
		res, s = do(t, &transport.Call{Class: transport.Safe, Body: body}, answer(503, ""), answer(200, "{}"))
		require.Equal(t, 503, res.Status)
		require.Len(t, s.at, 1)
		whole = true
		res, _ = do(t, &transport.Call{Class: transport.Safe, Body: body}, answer(503, ""), answer(200, "{}"))
		require.Equal(t, 200, res.Status)

		body.Open = func() (io.ReadCloser, error) { return nil, errReset }
		res, s = do(t, &transport.Call{Class: transport.Safe, Body: body}, answer(200, "{}"))
		require.ErrorIs(t, res.Err, errReset)
		require.Equal(t, transport.No, res.Sent)
		require.Empty(t, s.at)
	})
}

func TestLengthOfTheBody(t *testing.T) {
	for _, length := range []int64{5, -1} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				body := &transport.Body{Length: length, Open: func() (io.ReadCloser, error) {
					return io.NopCloser(strings.NewReader("hello")), nil
				}}
				var got int64
				_, _ = do(t, &transport.Call{Body: body}, func(req *http.Request) reply {
					got = req.ContentLength
					return respond(200, strings.NewReader("{}"))
				})
				require.Equal(t, length, got)
			})
		})
	}
}

// Over HTTP/1 net/http may open a body again, since it does so only where nothing
// was written. Not before the protocol is known, and not where only the exchange
// knows whether the body is whole.
func TestGetBody(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name       string
		first      int // the major version of the answer before, 0: none
		replayable func() bool
		want       bool
	}{
		{"nothing is known", 0, nil, false},
		{"HTTP/1", 1, nil, true},
		{"HTTP/2", 2, nil, false},
		{"HTTP/1, a body that the exchange watches", 1, func() bool { return true }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var again io.ReadCloser
			has, version := false, row.first
			hc := &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				if has = req.GetBody != nil; has {
					again, _ = req.GetBody()
				}
				return &http.Response{StatusCode: http.StatusOK, ProtoMajor: version}, nil
			})}
			c := transport.New(hc, policy)
			call := func() *transport.Call {
				return &transport.Call{Method: http.MethodPost, URL: address, Header: http.Header{},
					Body: &transport.Body{
						Open: func() (io.ReadCloser, error) {
							return io.NopCloser(strings.NewReader("whole")), nil
						},
						Length:     5,
						Replayable: row.replayable,
					}}
			}
			if row.first > 0 {
				c.Do(t.Context(), call())
			}
			c.Do(t.Context(), call())
			require.Equal(t, row.want, has)
			if has {
				text, err := io.ReadAll(again)
				require.NoError(t, err)
				require.Equal(t, "whole", string(text))
			}
		})
	}
}

func TestAdmit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := 0
		call := &transport.Call{Class: transport.Safe, Admit: func(context.Context) error { asked++; return nil }}
		_, _ = do(t, call, answer(503, ""), answer(503, ""), answer(200, "{}"))
		require.Equal(t, 3, asked, "before each attempt")

		closed := false
		call = &transport.Call{
			Class: transport.Safe,
			Admit: func(context.Context) error { return errReset },
			Body: &transport.Body{Open: func() (io.ReadCloser, error) {
				return readCloser{strings.NewReader("x"), func() { closed = true }}, nil
			}},
		}
		res, s := do(t, call, answer(200, "{}"))
		require.ErrorIs(t, res.Err, errReset)
		require.Equal(t, transport.No, res.Sent)
		require.Equal(t, 1, res.Attempts)
		require.Empty(t, s.at)
		require.True(t, closed)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		call = &transport.Call{Admit: func(context.Context) error { <-ctx.Done(); return nil }}
		res, s = doIn(ctx, call, policy, answer(200, "{}"))
		require.ErrorIs(t, res.Err, context.DeadlineExceeded)
		require.Equal(t, transport.No, res.Sent, "the context ended first")
		require.Empty(t, s.at)
	})
}

type readCloser struct {
	io.Reader
	close func()
}

func (r readCloser) Close() error { r.close(); return nil }

func TestDoneIsToldOfEachAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen []transport.Attempt
		call := &transport.Call{Class: transport.Safe, Done: func(a transport.Attempt) { seen = append(seen, a) }}
		_, _ = do(t, call,
			func(*http.Request) reply {
				<-time.After(3 * time.Second)
				return reply{err: errReset}
			},
			answer(200, "{}", "X-Request-Id", "r2"))
		require.Len(t, seen, 2)
		require.Equal(t, 1, seen[0].Number)
		require.Zero(t, seen[0].Status)
		require.Equal(t, 3*time.Second, seen[0].Duration)
		require.ErrorIs(t, seen[0].Err, errReset)
		require.Equal(t, 2, seen[1].Number)
		require.Equal(t, 200, seen[1].Status)
		require.Equal(t, "r2", seen[1].Header.Get("X-Request-Id"))
		require.NoError(t, seen[1].Err)
	})
}

// How much of an answer is kept.
func TestBodyOfTheAnswer(t *testing.T) {
	t.Parallel()
	const limit, ofRefusal = 2 << 20, 1 << 20
	for _, row := range []struct {
		name    string
		status  int
		size    int
		broken  bool
		kept    int
		err     error
		certain bool
	}{
		{"success at the limit", 200, limit, false, limit, nil, true},
		{"success over the limit", 200, limit + 1, false, -1, transport.ErrBodyTooLarge, false},
		{"success that broke off", 200, 10, true, 10, errReset, false},
		{"last of the successes", 299, limit, false, limit, nil, true},
		{"latest data of a race", 412, limit, false, limit, nil, true},
		{"too much latest data", 412, limit + 1, false, limit, nil, true},
		{"latest data that broke off", 412, 10, true, 10, errReset, false},
		{"refusal at its limit", 400, ofRefusal, false, ofRefusal, nil, true},
		{"refusal over its limit", 400, ofRefusal + 1, false, ofRefusal, nil, true},
		{"refusal that broke off", 400, 10, true, 10, nil, true},
		{"redirect", 300, ofRefusal + 1, false, ofRefusal, nil, true},
	} {
		for _, announced := range []bool{false, true} {
			t.Run(row.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					res, _ := do(t, &transport.Call{MaxBody: limit}, func(*http.Request) reply {
						var body io.Reader = bytes.NewReader(make([]byte, row.size))
						if row.broken {
							body = io.MultiReader(body, iotest.ErrReader(errReset))
						}
						r := respond(row.status, body)
						if announced {
							r.length = int64(row.size)
						}
						return r
					})
					require.ErrorIs(t, res.Err, row.err)
					require.Equal(t, row.status, res.Status)
					require.Equal(t, transport.Yes, res.Sent)
					require.Equal(t, !row.certain, res.Uncertain())
					if row.kept >= 0 {
						require.Len(t, res.Body, row.kept)
					}
				})
			})
		}
	}
}

func TestTooLargeIsNotRepeated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res, s := do(t, &transport.Call{Class: transport.Safe, MaxBody: 3}, answer(200, "four"))
		require.ErrorIs(t, res.Err, transport.ErrBodyTooLarge)
		require.Len(t, s.at, 1)
	})
}

func TestConsume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		call := &transport.Call{Class: transport.Safe, MaxBody: 1,
			Consume: func(_ int, h http.Header, r io.Reader) ([]byte, error) {
				all, err := io.ReadAll(r)
				return []byte(h.Get("X-What") + string(all)), err
			}}
		res, _ := do(t, call, answer(206, "content", "X-What", "some "))
		require.NoError(t, res.Err)
		require.Equal(t, "some content", string(res.Body))

		res, _ = do(t, call, answer(404, "refusal"))
		require.Equal(t, "refusal", string(res.Body), "a refusal is read as ever")
	})
}

// An error of Consume is like a broken answer, unless it is final.
func TestConsumeFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failing := func(err error) *transport.Call {
			return &transport.Call{Class: transport.Safe, Consume: func(int, http.Header, io.Reader) ([]byte, error) {
				return nil, err
			}}
		}
		res, s := do(t, failing(errReset), answer(200, "{}"))
		require.ErrorIs(t, res.Err, errReset)
		require.Len(t, s.at, 4)
		res, s = do(t, failing(transport.Final(errReset)), answer(200, "{}"))
		require.ErrorIs(t, res.Err, errReset)
		require.Equal(t, errReset.Error(), res.Err.Error())
		require.Len(t, s.at, 1)
	})
}

func TestBodiesOfAnswersAreClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, status := range []int{200, 400, 412, 503} {
			closed := false
			_, _ = do(t, &transport.Call{}, func(*http.Request) reply {
				return respond(status, readCloser{strings.NewReader("{}"), func() { closed = true }})
			})
			require.True(t, closed, status)
		}
	})
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	to := func(where string) func(*http.Request) reply {
		return answer(307, "moved", "Location", where)
	}
	for _, row := range []struct {
		name   string
		class  transport.Class
		where  string
		status int
		hops   int
	}{
		{"read, same host", transport.Safe, "/4.0/elsewhere", 200, 2},
		{"read, other host", transport.Safe, "https://other.example/4.0", 307, 1},
		{"read, other port", transport.Safe, "https://api.example:8443/4.0", 307, 1},
		{"read, in the clear", transport.Safe, "http://api.example/4.0", 307, 1},
		{"read, as somebody", transport.Safe, "https://kim:pass@api.example/4.0/elsewhere", 307, 1},
		{"write once", transport.Once, "/4.0/elsewhere", 307, 1},
		{"conditional write", transport.Conditional, "/4.0/elsewhere", 307, 1},
		{"write that may be repeated", transport.Idempotent, "/4.0/elsewhere", 307, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				res, s := do(t, &transport.Call{Class: row.class, Method: http.MethodGet}, to(row.where),
					answer(200, "{}"))
				require.Equal(t, row.status, res.Status)
				require.NoError(t, res.Err)
				require.Len(t, s.urls, row.hops)
				require.Equal(t, 1, res.Attempts, "a hop is no attempt")
			})
		})
	}
}

// Each attempt and each hop has the call's header once, and the cookies of a jar.
func TestHeaderOfEachRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got []http.Header
		note := func(next turn) turn {
			return func(req *http.Request) reply {
				got = append(got, req.Header.Clone())
				return next(req)
			}
		}
		s := &server{turns: []turn{
			note(answer(503, "", "Set-Cookie", "way=2")), note(answer(503, "")),
			note(answer(307, "", "Location", "/4.0/elsewhere")), note(answer(200, "{}")),
		}}
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		own := http.Header{"Apikey": {"k"}, "Cookie": {"own=1"}}
		c := transport.New(&http.Client{Transport: s, Jar: jar}, policy)
		res := c.Do(t.Context(), &transport.Call{
			Class: transport.Safe, Method: http.MethodGet, URL: address, Header: own, MaxBody: 8,
		})
		require.Equal(t, 200, res.Status)
		both := http.Header{"Apikey": {"k"}, "Cookie": {"own=1; way=2"}}
		hop := both.Clone()
		hop.Set("Referer", address)
		require.Equal(t, []http.Header{own, both, both, hop}, got)
		require.Equal(t, http.Header{"Apikey": {"k"}, "Cookie": {"own=1"}}, own)
	})
}

func TestRedirectsWithoutEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res, s := do(t, &transport.Call{Class: transport.Safe, Method: http.MethodGet},
			answer(307, "", "Location", "/4.0/again"))
		require.Equal(t, 307, res.Status)
		require.Len(t, s.urls, 4, "three are followed")
		require.Equal(t, 1, res.Attempts)
	})
}

func TestRedirectToNowhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res, s := do(t, &transport.Call{Class: transport.Safe, Method: http.MethodGet},
			answer(307, "", "Location", "https://[broken"))
		require.Error(t, res.Err)
		require.NotContains(t, res.Err.Error(), "profiles")
		require.Len(t, s.urls, 1)
	})
}

func TestBadURL(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res, s := do(t, &transport.Call{URL: "https://api.example/\x7f?apikey=secret"}, answer(200, "{}"))
		require.Error(t, res.Err)
		require.NotContains(t, res.Err.Error(), "secret")
		require.Equal(t, transport.No, res.Sent)
		require.Empty(t, s.at)
	})
}

func TestWithoutAddress(t *testing.T) {
	t.Parallel()
	require.Equal(t, errReset, transport.WithoutAddress(errReset))
	located := &url.Error{Op: "Get", URL: address, Err: errReset}
	require.Equal(t, errReset, transport.WithoutAddress(located))
	require.Equal(t, errReset, transport.WithoutAddress(&url.Error{Err: located}))
	require.NoError(t, transport.WithoutAddress(nil))
}

// The caller's client is copied, with its time limit and jar, and left alone.
func TestClientIsCopied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &server{turns: []turn{func(req *http.Request) reply {
			<-req.Context().Done()
			return reply{err: req.Context().Err()}
		}}}
		hc := &http.Client{Transport: slow, Timeout: time.Second}
		c := transport.New(hc, transport.Policy{MaxAttempts: 1})
		began := time.Now()
		res := c.Do(t.Context(), &transport.Call{
			Class: transport.Safe, Method: http.MethodGet, URL: address, Header: http.Header{},
		})
		require.Error(t, res.Err)
		require.Equal(t, time.Second, time.Since(began))
		require.Same(t, slow, hc.Transport)
		require.Nil(t, hc.CheckRedirect)
	})
}
