package passfort_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestWebhookDispatch(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	var seen log
	note := func(name string) func(context.Context, *passfort.WebhookEvent) error {
		return func(_ context.Context, e *passfort.WebhookEvent) error { seen.add(name + " " + e.ID); return nil }
	}
	h.HandleAll(note("all"))
	h.Handle("check_completed", note("lower"))
	h.Handle(passfort.EventCheckCompleted, note("const"))
	h.Handle("brand_new", note("new"))
	body := `[{"id":"1","event":"CHECK_COMPLETED"},{"id":"2","event":"Brand_New"},{"id":"3","event":"TASK_CREATED"}]`
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), body)).Code)
	require.Equal(t, []string{"lower 1", "const 1", "all 1", "new 2", "all 2", "all 3"}, seen.all())
	require.Panics(t, func() { h.Handle("X", nil) })
	require.Panics(t, func() { h.HandleAll(nil) })
}

func TestWebhookFailureEndsTheBatch(t *testing.T) {
	t.Parallel()
	store := passfort.NewMemoryWebhookStore(10)
	h := newHandler(t, passfort.WithWebhookStore(store))
	var seen log
	broken := true
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		seen.add(e.ID)
		if e.ID == "2" && broken {
			return errors.New("database is down")
		}
		return nil
	})
	require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), batch("1", "2", "3"))).Code)
	require.Equal(t, []string{"1", "2"}, seen.all())
	for id, want := range map[string]bool{"1": true, "2": false, "3": false} {
		got, err := store.Seen(t.Context(), id+"/"+id)
		require.NoError(t, err)
		require.Equal(t, want, got, id)
	}
	broken = false
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1", "2", "3"))).Code)
	require.Equal(t, []string{"1", "2", "2", "3"}, seen.all())
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("3", "2", "1"))).Code)
	require.Len(t, seen.all(), 4)
}

func TestWebhookFirstFailingHandlerEndsTheMessage(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	var seen log
	h.Handle("TASK_CREATED", func(context.Context, *passfort.WebhookEvent) error { return errors.New("no") })
	h.Handle("TASK_CREATED", seen.handle)
	h.HandleAll(seen.handle)
	require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), batch("1"))).Code)
	require.Empty(t, seen.all())
}

func TestWebhookWithoutHandlerIsCommitted(t *testing.T) {
	t.Parallel()
	store := passfort.NewMemoryWebhookStore(10)
	h := newHandler(t, passfort.WithWebhookStore(store))
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1"))).Code)
	seen, err := store.Seen(t.Context(), "1/1")
	require.NoError(t, err)
	require.True(t, seen)
}

func TestWebhookWithoutID(t *testing.T) {
	t.Parallel()
	var keys log
	h, err := passfort.NewWebhookHandler([]string{"s0", "s2"},
		passfort.WithWebhookStore(&scriptedStore{commit: func(id string) error { keys.add(id); return nil }}))
	require.NoError(t, err)
	var handled log
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		handled.add(e.Key())
		return nil
	})
	long := strings.Repeat("x", 10_000)
	for _, body := range []string{
		`{"event":"X","timestamp":1,"secret":"s0","data":{"a":1}}`,
		`{"event":"X","timestamp":1,"secret":"s2","data":{"a":1}}`,
		`{"event":"X","timestamp":2,"secret":"s0","data":{"a":1}}`,
		`{"event":"X","timestamp":1,"secret":"s0","data":{"a":2}}`,
		`{"event":"Y","timestamp":1,"secret":"s0","data":{"a":1}}`,
		`{"event":"X","id":"` + long + `"}`,
		`{"event":"X","id":"` + long + `y"}`,
	} {
		require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), body)).Code)
	}
	got := keys.all()
	require.Equal(t, got, handled.all(), "handlers can know the key of the store")
	require.Equal(t, got[0], got[1], "the same message after the secret was rotated")
	slices.Sort(got)
	require.Len(t, slices.Compact(got), 6)
	for _, key := range got {
		require.Less(t, len(key), 129)
	}
}

// scriptedStore is a store that fails as scripted.
type scriptedStore struct {
	seen   func(id string) (bool, error)
	commit func(id string) error
}

func (s *scriptedStore) Seen(_ context.Context, id string) (bool, error) {
	if s.seen == nil {
		return false, nil
	}
	return s.seen(id)
}

func (s *scriptedStore) Commit(_ context.Context, id string) error {
	if s.commit == nil {
		return nil
	}
	return s.commit(id)
}

func TestWebhookStoreFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		store  *scriptedStore
		status int
		calls  int
	}{
		{"seen fails", &scriptedStore{seen: func(string) (bool, error) { return false, errors.New("down") }}, 500, 0},
		{"seen panics", &scriptedStore{seen: func(string) (bool, error) { panic("down") }}, 500, 0},
		{"commit fails", &scriptedStore{commit: func(string) error { return errors.New("down") }}, 500, 1},
		{"commit panics", &scriptedStore{commit: func(string) error { panic("down") }}, 500, 1},
		{"seen elsewhere", &scriptedStore{seen: func(string) (bool, error) { return true, nil }}, 200, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, passfort.WithWebhookStore(tt.store))
			var seen log
			h.HandleAll(seen.handle)
			require.Equal(t, tt.status, send(h, delivery(t.Context(), batch("1"))).Code)
			require.Len(t, seen.all(), tt.calls)
		})
	}
}

func TestWebhookPanics(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for name, value := range map[string]any{"text": "Robin Sample", "error": cause, "abort": http.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var parked error
			h := newHandler(t, passfort.WithPark(2, func(_ context.Context, _ *passfort.WebhookEvent, err error) error {
				parked = err
				return nil
			}))
			h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { panic(value) })
			require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), batch("1"))).Code)
			require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1"))).Code)
			var p *passfort.PanicError
			require.ErrorAs(t, parked, &p)
			require.Equal(t, value, p.Value)
			var out bytes.Buffer
			fmt.Fprintf(&out, "%v %+v %#v %s %d %x", p, p, p, parked, p, p)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "parked", parked)
			require.NotContains(t, out.String(), "Robin")
			require.NotContains(t, out.String(), hex.EncodeToString([]byte("Robin")))
			if name == "error" {
				require.ErrorIs(t, parked, cause)
			}
		})
	}
}

func TestWebhookHandlerGoexit(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	exit := true
	h.HandleAll(func(context.Context, *passfort.WebhookEvent) error {
		if exit {
			exit = false
			runtime.Goexit()
		}
		return nil
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		send(h, delivery(t.Context(), batch("1")))
	}()
	<-done
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1"))).Code, "the message was left to others")
	require.NoError(t, h.Shutdown(t.Context()))
}

func TestWebhookPark(t *testing.T) {
	t.Parallel()
	var seen, parked log
	h := newHandler(t, passfort.WithPark(3, func(_ context.Context, e *passfort.WebhookEvent, err error) error {
		parked.add(e.ID + ": " + err.Error())
		if len(parked.all()) == 1 {
			return errors.New("nowhere to put it")
		}
		return nil
	}))
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		if e.ID == "bad" {
			return errors.New("never")
		}
		seen.add(e.ID)
		return nil
	})
	ids := []string{"first", "bad"}
	for i := range 10_000 {
		ids = append(ids, fmt.Sprint(i))
	}
	for _, status := range []int{500, 500, 500, 200, 200} {
		require.Equal(t, status, send(h, delivery(t.Context(), batch(ids...))).Code)
	}
	require.Equal(t, []string{"bad: never", "bad: never"}, parked.all(),
		"after 3 failures, and again because the hook failed")
	require.Equal(t, append([]string{"first"}, ids[2:]...), seen.all())
}

func TestWebhookWithoutParkBlocks(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	var seen log
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		seen.add(e.ID)
		if e.ID == "bad" {
			return errors.New("never")
		}
		return nil
	})
	for range 20 {
		require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), batch("bad", "behind"))).Code)
	}
	require.NotContains(t, seen.all(), "behind")
}

func TestWebhookUndecodable(t *testing.T) {
	t.Parallel()
	const body = `{"not":"a webhook"}`
	tests := []struct {
		name   string
		hook   func(context.Context, []byte) error
		header http.Header
		status int
		called bool
	}{
		{"taken", func(context.Context, []byte) error { return nil }, bearer("s0"), 200, true},
		{"hook fails", func(context.Context, []byte) error { return errors.New("down") }, bearer("s0"), 500, true},
		{"hook panics", func(context.Context, []byte) error { panic("down") }, bearer("s0"), 500, true},
		{"not authenticated", func(context.Context, []byte) error { return nil }, http.Header{}, 401, false},
		{"wrong header", func(context.Context, []byte) error { return nil }, bearer("bad"), 401, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got string
			h := newHandler(t, passfort.WithUndecodable(func(ctx context.Context, b []byte) error {
				got = string(b)
				return tt.hook(ctx, b)
			}))
			r := delivery(t.Context(), body)
			r.Header = tt.header
			require.Equal(t, tt.status, send(h, r).Code)
			require.Equal(t, tt.called, got == body)
		})
	}
}

func TestWebhookSameMessageTwiceAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		failures int
		calls    int
		failed   int
	}{
		{"first one succeeds", 0, 1, 0},
		{"first one fails", 1, 2, 1},
		{"three fail", 3, 4, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(t)
				var calls, running int
				h.HandleAll(func(_ context.Context, _ *passfort.WebhookEvent) error {
					calls++ // not guarded: the race detector sees two at once
					running++
					defer func() { running-- }()
					require.Equal(t, 1, running)
					<-time.After(time.Second)
					if calls <= tt.failures {
						return errors.New("no")
					}
					return nil
				})
				codes := make(chan int, 10)
				for range cap(codes) {
					go func() { codes <- send(h, delivery(t.Context(), batch("1"))).Code }()
				}
				failed := 0
				for range cap(codes) {
					if <-codes != http.StatusOK {
						failed++
					}
				}
				require.Equal(t, tt.calls, calls)
				require.Equal(t, tt.failed, failed)
			})
		})
	}
}

func TestWebhookWaiterGivesUpWithItsSender(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t)
		release := make(chan struct{})
		h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { <-release; return nil })
		first := make(chan int, 1)
		go func() { first <- send(h, delivery(t.Context(), batch("1"))).Code }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.Equal(t, http.StatusInternalServerError, send(h, delivery(ctx, batch("1"))).Code)
		close(release)
		require.Equal(t, http.StatusOK, <-first)
	})
}

func TestWebhookGoesOnWhenTheSenderHangsUp(t *testing.T) {
	t.Parallel()
	type key struct{}
	h := newHandler(t)
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
	var seen log
	h.HandleAll(func(ctx context.Context, e *passfort.WebhookEvent) error {
		cancel()
		require.NoError(t, ctx.Err())
		require.Equal(t, "kept", ctx.Value(key{}))
		return seen.handle(ctx, e)
	})
	send(h, delivery(ctx, batch("1", "2")))
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1", "2"))).Code)
	require.Equal(t, []string{"1", "2"}, seen.all())
}

func TestWebhookHandlerTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, passfort.WithHandlerTimeout(10*time.Second))
		h.HandleAll(func(ctx context.Context, _ *passfort.WebhookEvent) error {
			<-ctx.Done()
			return ctx.Err()
		})
		start := time.Now()
		require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), batch("1"))).Code)
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestWebhookShutdown(t *testing.T) {
	t.Parallel()
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t)
		require.NoError(t, h.Shutdown(t.Context()))
		require.NoError(t, h.Shutdown(t.Context()))
		require.Equal(t, http.StatusServiceUnavailable, send(h, delivery(t.Context(), batch("1"))).Code)
	})
	t.Run("running ones finish", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h := newHandler(t)
			h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { <-time.After(time.Second); return nil })
			code := make(chan int, 1)
			go func() { code <- send(h, delivery(t.Context(), batch("1", "2", "3"))).Code }()
			synctest.Wait()
			start := time.Now()
			require.NoError(t, h.Shutdown(t.Context()))
			require.Equal(t, 3*time.Second, time.Since(start))
			require.Equal(t, http.StatusOK, <-code)
		})
	})
	t.Run("out of patience", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			store := passfort.NewMemoryWebhookStore(10)
			parked := false
			h := newHandler(t, passfort.WithWebhookStore(store),
				passfort.WithPark(1, func(context.Context, *passfort.WebhookEvent, error) error {
					parked = true
					return nil
				}))
			var seen log
			h.HandleAll(func(ctx context.Context, e *passfort.WebhookEvent) error {
				seen.add(e.ID)
				<-ctx.Done()
				if e.ID == "stubborn" {
					return nil
				}
				return ctx.Err()
			})
			codes := map[string]chan int{}
			for _, id := range []string{"obedient", "stubborn"} {
				code := make(chan int, 1)
				codes[id] = code
				go func() { code <- send(h, delivery(t.Context(), batch(id, "behind "+id))).Code }()
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, h.Shutdown(ctx), context.DeadlineExceeded)
			require.Equal(t, http.StatusInternalServerError, <-codes["obedient"])
			require.Equal(t, http.StatusServiceUnavailable, <-codes["stubborn"])
			require.ElementsMatch(t, []string{"obedient", "stubborn"}, seen.all())
			require.False(t, parked, "a failure that the end of the process caused does not count")
			done, err := store.Seen(t.Context(), "stubborn/stubborn")
			require.NoError(t, err)
			require.True(t, done, "what was handled is committed")
		})
	})
}

func TestWebhookObserver(t *testing.T) {
	t.Parallel()
	var results log
	h := newHandler(t,
		passfort.WithWebhookObserver(func(r passfort.WebhookResult) {
			results.add(fmt.Sprintf("%s %s", r.Event, r.Outcome))
		}),
		passfort.WithWebhookBodyLimit(1000),
		passfort.WithPark(2, func(context.Context, *passfort.WebhookEvent, error) error { return nil }))
	h.Handle("CHECK_COMPLETED", func(context.Context, *passfort.WebhookEvent) error { return nil })
	h.Handle("RISK_LEVEL_CHANGED", func(context.Context, *passfort.WebhookEvent) error { return errors.New("no") })
	send(h, delivery(t.Context(),
		`[{"id":"1","event":"check_completed"},{"id":"1","event":"CHECK_COMPLETED"},
			{"id":"2","event":"Robin Sample"}]`))
	send(h, delivery(t.Context(), `{"id":"3","event":"RISK_LEVEL_CHANGED"}`))
	send(h, delivery(t.Context(), `{"id":"3","event":"RISK_LEVEL_CHANGED"}`))
	send(h, delivery(t.Context(), `{`))
	send(h, delivery(t.Context(), strings.Repeat(" ", 1001)))
	send(h, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	send(h, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	require.Equal(t, []string{
		"CHECK_COMPLETED handled", "CHECK_COMPLETED duplicate", "unknown unhandled",
		"RISK_LEVEL_CHANGED failed", "RISK_LEVEL_CHANGED parked",
		" malformed", " too_large", " unauthorized", " refused",
	}, results.all())
}

// TestWebhookCanary sends marked secrets and personal data down every path and
// looks for them in logs and answers.
func TestWebhookCanary(t *testing.T) {
	t.Parallel()
	const canary, secret = "C4naryName", "C4narySecret"
	var logged bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	data := `"data":{"profile_id":"C4naryName","customer_ref":"C4naryName","user":{"name":"C4naryName"},` +
		`"apikey":{"name":"C4naryName"}}`
	bodies := []string{
		`{"id":"C4naryName","event":"CHECK_COMPLETED","secret":"C4narySecret",` + data + `}`,
		`{"id":"C4naryName","event":"C4naryName","secret":"C4narySecret",` + data + `}`,
		`{"event":"C4naryName","secret":"C4narySecretX",` + data + `}`,
		`{"event":"C4naryName","secret":["C4narySecret"],` + data + `}`,
		`{"C4naryName":"C4narySecret"}`, `C4naryName`, `{"event":"X","C4naryName":1,"C4naryName":2}`, `{"C4naryName`,
		`["C4naryName"]`,
	}
	handlers := []func(context.Context, *passfort.WebhookEvent) error{
		nil,
		func(context.Context, *passfort.WebhookEvent) error { return nil },
		func(context.Context, *passfort.WebhookEvent) error { return errors.New(canary) },
		func(context.Context, *passfort.WebhookEvent) error { panic(canary) },
		func(context.Context, *passfort.WebhookEvent) error { panic(errors.New(canary)) },
	}
	headers := []http.Header{bearer(secret), bearer(secret + "X"), {}, {"Authorization": {secret}}}
	leaks := func(s string) bool { return strings.Contains(strings.ToLower(s), "c4nary") }
	for _, body := range bodies {
		for _, handler := range handlers {
			for _, header := range headers {
				h, err := passfort.NewWebhookHandler([]string{secret}, passfort.WithWebhookLogger(logger),
					passfort.WithWebhookObserver(func(r passfort.WebhookResult) {
						require.False(t, leaks(fmt.Sprintf("%+v", r)))
					}),
					passfort.WithUndecodable(func(context.Context, []byte) error { return errors.New(canary) }))
				require.NoError(t, err)
				if handler != nil {
					h.HandleAll(handler)
				}
				r := delivery(t.Context(), body)
				r.Header = header
				w := send(h, r)
				require.False(t, leaks(w.Body.String()+fmt.Sprint(w.Header())))
				events, err := passfort.ParseWebhook(header, []byte(body), secret)
				require.False(t, leaks(fmt.Sprintf("%v %+v %#v", err, err, err)))
				for _, e := range events {
					text, err := json.Marshal(e)
					require.NoError(t, err)
					require.NotContains(t, string(text), secret)
				}
				require.False(t, leaks(fmt.Sprintf("%+v %#v", h, h)))
			}
		}
	}
	require.NotEmpty(t, logged.String())
	require.False(t, leaks(logged.String()), logged.String())
}

func TestWebhookEventOwnsItsData(t *testing.T) {
	t.Parallel()
	body := []byte(`{"id":"1","event":"X","data":{"profile_id":"p"}}`)
	events, err := passfort.ParseWebhook(bearer("s0"), body, "s0")
	require.NoError(t, err)
	clear(body)
	require.Equal(t, "1", events[0].ID)
	require.Equal(t, "p", events[0].ProfileID)
	require.JSONEq(t, `{"profile_id":"p"}`, string(events[0].Data))
}
