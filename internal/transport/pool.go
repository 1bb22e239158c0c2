package transport

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// pool is the transport that attempts are made with. After a timeout on a
// connection that requests share it puts a fresh one in its place: HTTP/2 would
// go on using what fell silent.
type pool struct {
	mu   sync.Mutex
	base http.RoundTripper

	h1 atomic.Bool // the last answer came over HTTP/1
}

func (p *pool) current() http.RoundTripper {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.base
}

// leave makes the attempts that follow use another connection than conn, which
// was one of base. Calls under way go on.
func (p *pool) leave(base http.RoundTripper, conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.base != base {
		return // done already
	}
	if old, ok := base.(*http.Transport); ok {
		fresh := old.Clone()
		if fresh.TLSNextProto["h2"] == nil { // otherwise the clone would share the old connections
			p.base = fresh
			return
		}
	}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn() // without a word to the other side
	}
	_ = conn.Close()
}

// closeIdle closes the connections that no attempt uses.
func (p *pool) closeIdle() {
	hc := http.Client{Transport: p.current()}
	hc.CloseIdleConnections()
}

// Default returns the transport that is used unless the caller brings one: the
// standard one with connections that count what is written to them, enough of
// them kept for the one host that a client talks to, pings that find a dead
// HTTP/2 connection, a buffer that a whole chunk of an image fits into, and no room
// for a header that takes more memory than an answer.
func Default() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	t.DialContext = dialContext(&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second})
	t.OnProxyConnectResponse = proxyAnswered
	t.TLSHandshakeTimeout = 10 * time.Second
	t.MaxIdleConns = 0
	t.MaxIdleConnsPerHost = 1024
	t.IdleConnTimeout = 90 * time.Second
	t.MaxResponseHeaderBytes = 256 << 10 // held as names and values they take 12 times as much
	t.WriteBufferSize = 33 << 10         // net/http copies 32 KiB at a time
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}
	return t
}
