package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Reason is why there is no answer, in words that hold no address and no data.
type Reason struct {
	text    string
	lasting bool
	cause   error
}

func (r *Reason) Error() string { return r.text }
func (r *Reason) Unwrap() error { return r.cause }

// IsLasting reports whether the next attempt would end the same way: a person
// has to change something first.
func IsLasting(err error) bool {
	var reason *Reason
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	return errors.As(err, &reason) && reason.lasting || errors.As(err, &certificate) || errors.As(err, &authority)
}

// named returns err with its Reason, if it is one of those that net/http has no
// type for.
func named(err error) error {
	var reason *Reason
	if err == nil || errors.As(err, &reason) {
		return err
	}
	passing := func(text string) error { return &Reason{text: text, cause: err} }
	lasting := func(text string) error { return &Reason{text: text, lasting: true, cause: err} }
	var op *net.OpError
	var record tls.RecordHeaderError
	var stream streamError
	text := WithoutAddress(err).Error()
	switch {
	case errors.As(err, &stream):
		return passing("the server ended the stream" + streamCodes[stream.Code])
	case text == "http2: client connection lost":
		return passing("the connection fell silent")
	case notProcessed(err):
		return passing("the server closes the connection and did not process the request")
	case strings.HasPrefix(text, "http2: server sent GOAWAY and closed the connection"),
		strings.HasPrefix(text, "http2: Transport: cannot retry err ["):
		return passing("the server closed the connection")
	case errors.As(err, &op) && op.Op == "remote error":
		return lasting("the server ended TLS with an alert (" + op.Err.Error() + ")")
	case errors.As(err, &op) && op.Op == "local error":
		return lasting("TLS with the server failed (" + op.Err.Error() + ")")
	case errors.As(err, &record), text == "http: server gave HTTP response to HTTPS client":
		return lasting("the server speaks plain HTTP where the base URL says https")
	case strings.Contains(text, "net/http: server response headers exceeded"),
		text == "http2: response header list larger than advertised limit":
		return &Reason{
			text: "the header of the answer is larger than the limit", lasting: true,
			cause: fmt.Errorf("%w: %w", ErrBodyTooLarge, err),
		}
	case plainToTLS(text):
		return lasting("the server speaks TLS where the base URL says http")
	case errors.As(err, &op) && strings.HasPrefix(op.Op, "socks ") &&
		strings.Contains(op.Err.Error(), "authentication failed"):
		return lasting("the proxy refused the user name or the password")
	}
	if status := proxyStatus(text); status != 0 {
		return proxyRefused(status, err)
	}
	return err
}

// streamCodes name the error codes of HTTP/2 (RFC 9113, 7).
var streamCodes = map[uint32]string{
	1: ": PROTOCOL_ERROR", 2: ": INTERNAL_ERROR", 3: ": FLOW_CONTROL_ERROR", 5: ": STREAM_CLOSED",
	7: ": REFUSED_STREAM", 8: ": CANCEL",
	11: ": ENHANCE_YOUR_CALM", 12: ": INADEQUATE_SECURITY", 13: ": HTTP_1_1_REQUIRED",
}

// proxyAnswered refuses the answer of a proxy that will not connect.
func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return proxyRefused(resp.StatusCode, nil)
}

func proxyRefused(status int, cause error) error {
	text := "the proxy refused to connect: " + strconv.Itoa(status)
	if name := http.StatusText(status); name != "" {
		text += " " + name
	}
	return &Reason{text: text, lasting: true, cause: cause}
}

// proxyStatus returns the status of a proxy that would not connect, of which
// net/http keeps only the name, or 0.
func proxyStatus(text string) int {
	for status := 300; status < 600; status++ {
		if name := http.StatusText(status); name != "" && name == text {
			return status
		}
	}
	return 0
}

// plainToTLS reports whether an HTTP answer could not be read because it is a
// TLS alert.
func plainToTLS(text string) bool {
	_, answer, ok := strings.Cut(text, `malformed HTTP response "`)
	return ok && strings.HasPrefix(answer, `\x15\x03`)
}

// handshakeAlerts are the alerts that refuse a client before its request is read.
var handshakeAlerts = []string{
	"access denied", "bad certificate", "certificate required", "decrypt error", "expired certificate",
	"handshake failure",
	"no application protocol", "protocol version not supported", "revoked certificate", "unknown certificate",
	"unknown certificate authority", "unsupported certificate",
}

// refusedHandshake reports whether the server ended the handshake of a new
// connection. Under TLS 1.3 the client has sent its request by then, but a
// server reads none before the handshake is done.
func refusedHandshake(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	return slices.Contains(handshakeAlerts, strings.TrimPrefix(op.Err.Error(), "tls: "))
}
