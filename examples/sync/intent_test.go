package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// beforeWrite runs fn before each write reaches Passfort; an error of it is
// that of the connection.
func (p *pair) beforeWrite(fn func() error) {
	p.syncer.client = p.sim.Client(
		passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}),
		passfort.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				if err := fn(); err != nil {
					return nil, err
				}
			}
			return p.sim.Transport().RoundTrip(r)
		})}),
	)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// once returns a function that runs fn the first time.
func once(fn func()) func() error {
	return func() error {
		if fn != nil {
			fn()
			fn = nil
		}
		return nil
	}
}

func TestIntentsDoNotPileUp(t *testing.T) {
	const times = 12
	tests := []struct {
		name string
		fail func(*pair)
		edit func(n int) string
		want int
	}{
		{"refused", func(p *pair) {
			p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Status: 403})
			require.ErrorIs(p.t, p.syncer.sync(p.t.Context(), p.profile), passfort.ErrForbidden)
		}, func(n int) string { return fmt.Sprint(n) }, 0},
		{"in doubt, during an edit", (*pair).loseWrite, func(n int) string { return fmt.Sprint(n) }, times},
		{"in doubt, again and again", (*pair).loseWrite, func(int) string { return "1" }, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			for n := range times {
				p.editHere("phone", tt.edit(n))
				tt.fail(p)
			}
			require.Equal(t, tt.want, p.count(`SELECT COUNT(*) FROM intents`))
			require.LessOrEqual(t, p.count(`SELECT COALESCE(SUM(LENGTH(sent)), 0) FROM intents`), 20*tt.want)
			p.sync()
			p.inStep("phone", tt.edit(times-1), 0, p.sim.Count(""))
			require.Zero(t, p.count(`SELECT COUNT(*) FROM intents`))
		})
	}
}

// loseWrite makes the next write get lost unnoticed here.
func (p *pair) loseWrite() {
	p.t.Helper()
	p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", DropBeforeWrite: true})
	require.ErrorIs(p.t, p.syncer.sync(p.t.Context(), p.profile), passfort.ErrOutcomeUnknown)
	require.Zero(p.t, p.sim.ClearFaults())
}

// Another writer stores just what a write of ours would have, had it not come to
// nothing. That is theirs, and wins.
func TestTheirValueIsNotTakenForAWriteThatCameToNothing(t *testing.T) {
	theirs := func(p *pair) { p.editThere("segment", "business") }
	tests := []struct {
		name string
		sync func(*testing.T, *pair)
	}{
		{"refused", func(t *testing.T, p *pair) {
			p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Status: 403})
			require.ErrorIs(t, p.syncer.sync(t.Context(), p.profile), passfort.ErrForbidden)
			theirs(p)
			p.editHere("segment", "private")
		}},
		{"not sent", func(t *testing.T, p *pair) {
			p.beforeWrite(func() error { return &net.OpError{Op: "dial", Err: errors.New("refused")} })
			require.Error(t, p.syncer.sync(t.Context(), p.profile))
			p.beforeWrite(once(nil))
			theirs(p)
			p.editHere("segment", "private")
		}},
		{"lost a race, nothing left to send", func(_ *testing.T, p *pair) {
			p.beforeWrite(once(func() {
				theirs(p)
				p.editHere("segment", "private")
			}))
		}},
		{"lost a race, something left to send", func(_ *testing.T, p *pair) {
			p.editHere("phone", "1")
			p.beforeWrite(once(func() {
				theirs(p)
				p.editHere("segment", "private")
			}))
		}},
		{"lost a race, then refused", func(t *testing.T, p *pair) {
			p.editHere("phone", "1")
			p.beforeWrite(once(func() {
				theirs(p)
				p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Skip: 1, Status: 403})
			}))
			require.ErrorIs(t, p.syncer.sync(t.Context(), p.profile), passfort.ErrForbidden)
			p.editHere("segment", "private")
		}},
		{"lost a race, then in doubt", func(t *testing.T, p *pair) {
			p.editHere("phone", "1")
			p.beforeWrite(once(func() {
				theirs(p)
				p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Skip: 1, DropBeforeWrite: true})
			}))
			require.ErrorIs(t, p.syncer.sync(t.Context(), p.profile), passfort.ErrOutcomeUnknown)
			require.Equal(t, 1, p.count(`SELECT COUNT(*) FROM intents`))
			p.editHere("segment", "private")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			p.editHere("segment", "business")
			tt.sync(t, p)
			p.sync()
			require.Equal(
				t, 1, p.count(`SELECT COUNT(*) FROM conflicts WHERE field = 'segment' AND ours = 'private' AND `+
					`theirs = 'business'`),
			)
			p.sync()
			p.inStep("segment", "business", 1, p.sim.Count(""))
			require.Zero(t, p.count(`SELECT COUNT(*) FROM intents`))
		})
	}
}

// An end of the process between the refusal and its record leaves the write in
// doubt, and the edit is sent again.
func TestRefusalThatWasNotRecorded(t *testing.T) {
	p := newPair(t)
	p.editHere("phone", "1")
	w, err := p.store.take(t.Context(), p.profile)
	require.NoError(t, err)
	_, err = p.store.intend(t.Context(), w, values{"phone": "1"}, values{"phone": "1"})
	require.NoError(t, err)
	p.editHere("phone", "2")
	p.sync()
	p.inStep("phone", "2", 0, 2)
	require.Zero(t, p.count(`SELECT COUNT(*) FROM intents`))
}

// A process does not drop what another one is about to write.
func TestTwoProcessesIntend(t *testing.T) {
	p := newPair(t)
	p.editHere("phone", "1")
	phone := values{"phone": "1"}
	slow, err := p.store.take(t.Context(), p.profile)
	require.NoError(t, err)
	other := *p.store
	other.process = "another"
	fast, err := other.take(t.Context(), p.profile)
	require.NoError(t, err)
	_, err = p.store.intend(t.Context(), slow, phone, phone)
	require.NoError(t, err)
	id, err := other.intend(t.Context(), fast, phone, phone)
	require.NoError(t, err)
	both, err := p.store.take(t.Context(), p.profile)
	require.NoError(t, err)
	require.Len(t, both.intents, 2)
	require.NoError(t, other.withdraw(t.Context(), fast, []int64{id}))
	require.Empty(t, fast.intents)
	require.Equal(t, 1, p.count(`SELECT COUNT(*) FROM intents`))
	_, err = other.settle(t.Context(), fast, values{})
	require.NoError(t, err)
	require.Equal(t, 1, p.count(`SELECT COUNT(*) FROM intents`), "it may yet be written")
	require.Zero(t, p.count(`SELECT COUNT(*) FROM writes`))
}

// A write that lost a race has no echo, so it excuses no message.
func TestLostRaceExcusesNoMessage(t *testing.T) {
	p := newPair(t)
	p.store.ownKey = "" // then only its content identifies a message
	p.editHere("phone", "1")
	p.beforeWrite(once(func() { p.editThere("email", "theirs@example.com") }))
	p.sync()
	require.Equal(t, 1, p.count(`SELECT COUNT(*) FROM writes`))
	for _, m := range p.messages() {
		p.deliver(m)
	}
	p.sync()
	require.Zero(t, p.count(`SELECT COUNT(*) FROM writes`))

	other, err := passfort.New(p.sim.AddAPIKey("another system"), passfort.WithBaseURL(p.sim.URL()))
	require.NoError(t, err)
	_, err = other.CollectedData.Update(t.Context(), p.profile, func(d *passfort.EntityData) error {
		contactOf(d).Email = "" // what our first write would have left
		return nil
	})
	require.NoError(t, err)
	m := p.messages()
	p.deliver(m[len(m)-1])
	p.sync()
	p.inStep("email", "", 0, p.sim.Count(""))
}
