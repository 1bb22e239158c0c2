package transport

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strings"
	"syscall/js"
)

// dialContext returns nil: with it net/http would not use the browser's fetch.
func dialContext(*net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return nil
}

// withoutRedirects keeps the browser's fetch from following a redirect, which would
// take the key to another host. net/http takes the header for its own.
func withoutRedirects(req *http.Request, base http.RoundTripper) {
	if t, ok := base.(*http.Transport); ok && fetches(t) {
		req.Header = maps.Clone(req.Header)
		req.Header["js.fetch:redirect"] = []string{"error"}
	}
}

// fetches reports whether the transport uses fetch, as net/http decides it.
func fetches(t *http.Transport) bool {
	//nolint:staticcheck // net/http asks for all four
	if t.Dial != nil || t.DialContext != nil || t.DialTLS != nil || t.DialTLSContext != nil {
		return false
	}
	process := js.Global().Get("process")
	inNode := process.Type() == js.TypeObject && strings.HasPrefix(process.Get("argv0").String(), "node")
	return !js.Global().Get("fetch").IsUndefined() && !inNode
}
