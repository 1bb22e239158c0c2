package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// piped is a listener for the clients of a bubble, which wait for no network.
type piped struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *piped) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *piped) Close() error {
	close(p.closed)
	return nil
}

func (p *piped) Addr() net.Addr { return &net.TCPAddr{} }

func (p *piped) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p.conns <- far
	return near, nil
}

// However busy the site is, it ends within a second, by the clock of the bubble.
func TestServeEndsWithinASecond(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		visitor func(r *http.Request, release <-chan struct{})
		most    time.Duration
		cut     bool
	}{
		{"a page is followed", func(r *http.Request, _ <-chan struct{}) { <-r.Context().Done() },
			100 * time.Millisecond, false},
		{"a call does not end", func(_ *http.Request, release <-chan struct{}) { <-release },
			time.Second, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				listener := &piped{conns: make(chan net.Conn), closed: make(chan struct{})}
				release, ended := make(chan struct{}), make(chan error, 1)
				defer close(release)
				go func() {
					ended <- serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.WriteHeader(http.StatusOK)
						_ = http.NewResponseController(w).Flush()
						row.visitor(r, release)
					}))
				}()
				transport := &http.Transport{DialContext: listener.dial}
				defer transport.CloseIdleConnections()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://site.example/", nil)
				require.NoError(t, err)
				answer, err := transport.RoundTrip(r)
				require.NoError(t, err)
				defer func() { _ = answer.Body.Close() }()
				read := make(chan error, 1)
				go func() {
					_, err := io.Copy(io.Discard, answer.Body)
					read <- err
				}()
				asked := time.Now()
				stop()
				require.NoError(t, <-ended)
				require.LessOrEqual(t, time.Since(asked), row.most)
				require.Equal(t, row.cut, <-read != nil)
			})
		})
	}
}
