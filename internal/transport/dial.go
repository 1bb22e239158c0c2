//go:build !js

package transport

import (
	"context"
	"net"
	"net/http"
)

// dialContext returns what makes connections that count.
func dialContext(dialer *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &countingConn{Conn: conn}, nil
	}
}

// withoutRedirects does nothing: only a browser's fetch follows a redirect unasked.
func withoutRedirects(*http.Request, http.RoundTripper) {}
