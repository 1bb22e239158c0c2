package faultmatrix

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"
)

// memory is a listener for a bubble: its connections are known to wait, and time goes
// on when all of them do.
type memory struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newMemory() *memory { return &memory{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// dial connects to the listener.
func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	up, down := newFlow(), newFlow()
	select {
	case m.conns <- &buffered{memory: m, in: up, out: down}:
		return &buffered{memory: m, in: down, out: up}, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dialTLS is dial for a transport of golang.org/x/net/http2.
func (m *memory) dialTLS(ctx context.Context, network, address string, config *tls.Config) (net.Conn, error) {
	conn, err := m.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	return secured, secured.HandshakeContext(ctx)
}

// buffered is one end of a connection. As on a socket, a write does not wait until it is
// read.
type buffered struct {
	*memory
	in, out *flow
}

func (b *buffered) Read(p []byte) (int, error)  { return b.in.read(p) }
func (b *buffered) Write(p []byte) (int, error) { return b.out.write(p) }

func (b *buffered) Close() error {
	b.in.end()
	b.out.end()
	return nil
}

func (b *buffered) LocalAddr() net.Addr              { return b.Addr() }
func (b *buffered) RemoteAddr() net.Addr             { return b.Addr() }
func (b *buffered) SetDeadline(time.Time) error      { return nil }
func (b *buffered) SetReadDeadline(time.Time) error  { return nil }
func (b *buffered) SetWriteDeadline(time.Time) error { return nil }

// flow is one direction of a connection.
type flow struct {
	mu    sync.Mutex
	more  *sync.Cond
	bytes bytes.Buffer
	ended bool
}

func newFlow() *flow {
	f := &flow{}
	f.more = sync.NewCond(&f.mu)
	return f
}

func (f *flow) read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.bytes.Len() == 0 {
		if f.ended {
			return 0, io.EOF
		}
		f.more.Wait()
	}
	return f.bytes.Read(p)
}

func (f *flow) write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return 0, net.ErrClosed
	}
	f.more.Broadcast()
	return f.bytes.Write(p)
}

func (f *flow) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.more.Broadcast()
}
