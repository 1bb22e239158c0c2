package faultmatrix

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2server speaks HTTP/2 frame by frame, so that it can break every rule of it.
// What its plan lets through goes to a handler.
type h2server struct {
	handler http.Handler
	tls     *tls.Config
	address string
	roots   *x509.CertPool
	memory  *memory // of a bubble, nil: it listens on loopback

	plan atomic.Pointer[func(*h2stream) verdict] // what happens to a request, nil: it is handled

	conns sync.Map // net.Conn of those that are open

	mu   sync.Mutex
	seen []string // method and path of the requests whose header arrived
}

// h2stream is a request that arrives.
type h2stream struct {
	server *h2server
	conn   *h2conn
	id     uint32
	number int // of the requests that the server saw, from 1
	header http.Header
	method string
	path   string
	body   bytes.Buffer
	whole  bool
}

// verdict is what the server does with a request.
type verdict int

const (
	handle       verdict = iota // answer it
	drop                        // nothing more: the plan did what there was to do
	handleSilent                // carry it out, and say nothing
)

type h2conn struct {
	net.Conn
	framer *http2.Framer
	mu     sync.Mutex // of writes
	last   uint32     // the last stream that was handled
	silent atomic.Bool
}

// newH2server listens on loopback with a certificate of its own.
func newH2server(t *testing.T, handler http.Handler, clientAuth tls.ClientAuthType) *h2server {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return serveH2(t, handler, listener, clientAuth)
}

// newH2bubble is newH2server in a bubble.
func newH2bubble(t *testing.T, handler http.Handler) *h2server {
	t.Helper()
	listener := newMemory()
	s := serveH2(t, handler, listener, tls.NoClientCert)
	s.memory = listener
	return s
}

func serveH2(t *testing.T, handler http.Handler, listener net.Listener, clientAuth tls.ClientAuthType) *h2server {
	t.Helper()
	lender := httptest.NewUnstartedServer(handler)
	lender.StartTLS()
	certificate := lender.TLS.Certificates[0]
	roots := x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	lender.Close()
	s := &h2server{
		handler: handler, address: listener.Addr().String(), roots: roots,
		tls: &tls.Config{
			Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13,
			ClientAuth: clientAuth,
		},
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.conns.Store(conn, true)
			running.Go(func() {
				s.serve(tls.Server(conn, s.tls))
				_ = conn.Close()
				s.conns.Delete(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.closeAll()
		running.Wait()
	})
	return s
}

// saw notes a request and returns how many there were with it.
func (s *h2server) saw(request string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, request)
	return len(s.seen)
}

// forget forgets what was seen, and returns how often the first request was.
func (s *h2server) forget() (first int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, request := range s.seen {
		if request == s.seen[0] {
			first++
		}
	}
	s.seen = nil
	return first
}

// closeAll closes every connection.
func (s *h2server) closeAll() {
	s.conns.Range(func(conn, _ any) bool { _ = conn.(net.Conn).Close(); return true })
}

// trust makes a transport reach and trust the server.
func (s *h2server) trust(tr *http.Transport) {
	tr.TLSClientConfig = &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12, ServerName: "example.com"}
	if s.memory != nil {
		tr.DialContext = s.memory.dial
	}
}

func (s *h2server) serve(conn net.Conn) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	c := &h2conn{Conn: conn, framer: http2.NewFramer(conn, conn)}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.write(func() error {
		return c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	})
	c.write(func() error { return c.framer.WriteWindowUpdate(0, 1<<30) })
	streams := map[uint32]*h2stream{}
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return
		}
		if c.silent.Load() {
			continue
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.write(c.framer.WriteSettingsAck)
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				c.write(func() error { return c.framer.WritePing(true, f.Data) })
			}
		case *http2.MetaHeadersFrame:
			st := &h2stream{server: s, conn: c, id: f.StreamID, header: http.Header{}, whole: f.StreamEnded()}
			for _, field := range f.Fields {
				switch field.Name {
				case ":method":
					st.method = field.Value
				case ":path":
					st.path = field.Value
				default:
					st.header.Add(field.Name, field.Value)
				}
			}
			st.number = s.saw(st.method + " " + st.path)
			streams[st.id] = st
			if !s.step(st) {
				delete(streams, st.id)
			}
		case *http2.DataFrame:
			st := streams[f.StreamID]
			if st == nil {
				continue
			}
			st.body.Write(f.Data())
			st.whole = f.StreamEnded()
			if n := uint32(len(f.Data())); n > 0 { //nolint:gosec // a frame
				c.write(func() error { return c.framer.WriteWindowUpdate(f.StreamID, n) })
			}
			if !s.step(st) {
				delete(streams, st.id)
			}
		}
	}
}

// step does what the plan says with what has arrived of a request, and reports
// whether more of it is wanted.
func (s *h2server) step(st *h2stream) bool {
	do := handle
	if plan := s.plan.Load(); plan != nil {
		do = (*plan)(st)
	}
	switch {
	case do == drop:
		return false
	case !st.whole:
		return true
	}
	answer := s.carryOut(st)
	if do == handleSilent {
		return false
	}
	st.conn.last = st.id
	st.answer(answer)
	return false
}

func (s *h2server) carryOut(st *h2stream) *httptest.ResponseRecorder {
	u, _ := url.ParseRequestURI(st.path)
	req := &http.Request{
		Method: st.method, URL: u, RequestURI: st.path, Header: st.header, Host: "example.com", Proto: "HTTP/2.0",
		ProtoMajor: 2,
		Body:       io.NopCloser(bytes.NewReader(st.body.Bytes())), ContentLength: int64(st.body.Len()),
		RemoteAddr: "127.0.0.1:1",
	}
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, req)
	return answer
}

func (st *h2stream) answer(answer *httptest.ResponseRecorder) {
	body := answer.Body.Bytes()
	c := st.conn
	c.write(func() error {
		return c.framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: st.id, BlockFragment: lowered(answer), EndHeaders: true, EndStream: len(body) == 0,
		})
	})
	for len(body) > 0 {
		n := min(len(body), 16<<10)
		c.write(func() error { return c.framer.WriteData(st.id, n == len(body), body[:n]) })
		body = body[n:]
	}
}

// lowered encodes the header of an answer with names as HTTP/2 wants them.
func lowered(answer *httptest.ResponseRecorder) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	_ = encoder.WriteField(hpack.HeaderField{Name: ":status", Value: strconv.Itoa(answer.Code)})
	for name, values := range answer.Header() {
		for _, value := range values {
			_ = encoder.WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: value})
		}
	}
	return block.Bytes()
}

func (c *h2conn) write(frame func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = frame()
}

// reset ends the stream with an error code.
func (st *h2stream) reset(code http2.ErrCode) {
	st.conn.write(func() error { return st.conn.framer.WriteRSTStream(st.id, code) })
}

// goAway says which stream was the last one that is handled.
func (st *h2stream) goAway(last uint32) { st.goAwayWith(last, http2.ErrCodeNo) }

func (st *h2stream) goAwayWith(last uint32, code http2.ErrCode) {
	st.conn.write(func() error { return st.conn.framer.WriteGoAway(last, code, nil) })
}
