package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is proof that a request never left, and what is not.
func TestNeverLeft(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, row := range []struct {
		name string
		err  error
		// walk does with the trace what a transport does.
		walk func(trace *httptrace.ClientTrace, conn *countingConn)
		want bool
	}{
		{"no name", &net.DNSError{}, func(*httptrace.ClientTrace, *countingConn) {}, true},
		{"no connection", &net.OpError{Op: "dial"}, func(*httptrace.ClientTrace, *countingConn) {}, true},
		{"a transport that reports nothing", broken, func(*httptrace.ClientTrace, *countingConn) {}, false},
		{"broken while reading, nothing reported", &net.OpError{Op: "read"},
			func(*httptrace.ClientTrace, *countingConn) {}, false},
		{"no connection was got", broken, func(trace *httptrace.ClientTrace, _ *countingConn) {
			trace.GetConn("host")
		}, true},
		{"a connection, and not a byte", broken, func(trace *httptrace.ClientTrace, conn *countingConn) {
			trace.GetConn("host")
			trace.GotConn(httptrace.GotConnInfo{Conn: conn})
		}, true},
		{"bytes of an earlier request", broken, func(trace *httptrace.ClientTrace, conn *countingConn) {
			_, _ = conn.Write([]byte("GET"))
			trace.GetConn("host")
			trace.GotConn(httptrace.GotConnInfo{Conn: conn})
		}, true},
		{"one byte", broken, func(trace *httptrace.ClientTrace, conn *countingConn) {
			trace.GetConn("host")
			trace.GotConn(httptrace.GotConnInfo{Conn: conn})
			_, _ = conn.Write([]byte("P"))
		}, false},
		{"a write that failed", broken, func(trace *httptrace.ClientTrace, conn *countingConn) {
			trace.GetConn("host")
			trace.GotConn(httptrace.GotConnInfo{Conn: conn})
			_ = conn.Close()
			_, _ = conn.Write([]byte("P"))
		}, true},
		{"one byte under TLS", broken, func(trace *httptrace.ClientTrace, conn *countingConn) {
			trace.GetConn("host")
			trace.GotConn(httptrace.GotConnInfo{Conn: tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS13})})
			_, _ = conn.Write([]byte("P"))
		}, false},
		{"nothing under TLS", broken, func(trace *httptrace.ClientTrace, conn *countingConn) {
			trace.GetConn("host")
			trace.GotConn(httptrace.GotConnInfo{Conn: tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS13})})
		}, true},
		{"a connection that does not count", broken, func(trace *httptrace.ClientTrace, conn *countingConn) {
			trace.GetConn("host")
			trace.GotConn(httptrace.GotConnInfo{Conn: conn.Conn})
		}, false},
		{"the second connection, after a dead one", broken, func(trace *httptrace.ClientTrace, conn *countingConn) {
			trace.GetConn("host")
			trace.GotConn(httptrace.GotConnInfo{Conn: &countingConn{Conn: conn.Conn}})
			trace.GotConn(httptrace.GotConnInfo{Conn: conn})
			_, _ = conn.Write([]byte("P"))
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, far) }()
			defer near.Close()
			defer far.Close()
			w := &way{stop: func(error) {}}
			row.walk(w.trace(false), &countingConn{Conn: near})
			require.Equal(t, row.want, w.neverLeft(row.err))
		})
	}
}

// A server that spoke HTTP/1 so far may speak HTTP/2 on the next connection: its
// streams are not watched then, so one that has a connection may have been sent.
func TestStreamThatIsNotWatched(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ plain, h1, want bool }{
		"HTTP/1 so far":             {true, true, false},
		"nothing known":             {true, false, true},
		"another transport between": {false, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &way{plain: row.plain, stop: func(error) {}}
			trace := w.trace(row.h1)
			require.Equal(t, !row.want, trace.WroteHeaderField == nil)
			trace.GetConn("host")
			trace.GotConn(httptrace.GotConnInfo{Conn: stream{}})
			require.Equal(t, row.want, w.neverLeft(errors.New("broken")))
			trace.WroteHeaders()
			require.False(t, w.neverLeft(errors.New("broken")))
		})
	}
}

// stream is a connection on which HTTP/2 was agreed.
type stream struct{ net.Conn }

func (stream) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{NegotiatedProtocol: "h2"}
}

// The SDK's own transport counts, over TLS too, and goes on trusting what the
// standard one trusts.
func TestDefaultTransportCounts(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	standard := http.DefaultTransport.(*http.Transport)
	ours := Default()
	require.NotSame(t, standard, ours)
	require.Equal(t, standard.Proxy != nil, ours.Proxy != nil)
	require.Equal(t, 1024, ours.MaxIdleConnsPerHost)
	require.Zero(t, ours.MaxIdleConns, "no limit over all hosts")
	require.Greater(t, ours.WriteBufferSize, 32<<10, "a whole chunk of an image and its frame")
	defer ours.CloseIdleConnections()

	var counted *countingConn
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { counted = counting(info.Conn) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	resp, err := ours.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.NotNil(t, counted)
	require.Positive(t, counted.written.Load())

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = ours.DialContext(cancelled, "tcp", srv.Listener.Addr().String())
	require.Error(t, err)
}
