package faultmatrix

import (
	"bytes"
	"net/http"
	"time"

	"github.com/passfort-go/passfort/passforttest"
)

// fault is one thing that goes wrong.
type fault struct {
	name string
	sim  passforttest.Fault // what the simulator does; its Operation and Times are set by the run
	net  network            // what stands between, if it is a fault of the network

	wait     time.Duration // the call has to wait at least so long between attempts
	deadline time.Duration // of the call's context, 0: none
	only     bool          // one run shows everything: it never heals
}

// network is a fault that needs real connections.
type network int

const (
	noNetwork network = iota
	refused
	noName
	untrusted
	plainAnswer // plain HTTP where TLS was spoken
	resetBeforeRead
	resetAfterRead
	resetAfterApply
	cutInHeaders
	closedWhileIdle
)

func status(code int, header ...string) passforttest.Fault {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return passforttest.Fault{Status: code, Header: h}
}

func redirect(code int, to string) passforttest.Fault {
	f := status(code, "Location", to)
	f.Body = []byte{}
	return f
}

// itself stands for the address of the request.
const itself = "itself"

// elsewhere is a host that no request may reach. The connections of these
// tests lead to the simulator whatever the host, so it would see them.
const elsewhere = "http://elsewhere.example/4.0/whoami"

// faults returns the rows of the matrix. Waits are long where time is not
// real.
func faults(date string) []fault {
	const day = 24 * time.Hour
	oversized := append([]byte(`{"x":"`), bytes.Repeat([]byte("x"), 64<<20)...)
	return []fault{
		{name: "connection refused", net: refused},
		{name: "host name not found", net: noName},
		{name: "TLS: certificate not trusted", net: untrusted, only: true},
		{name: "TLS: no TLS at the other end", net: plainAnswer, only: true},
		{name: "reset before the request is read", net: resetBeforeRead},
		{name: "reset after the request is read", net: resetAfterRead, sim: passforttest.Fault{DropBeforeWrite: true}},
		{name: "reset after it was applied", net: resetAfterApply},
		{name: "cut inside the headers of the answer", net: cutInHeaders},
		{name: "connection closed while idle", net: closedWhileIdle, only: true},
		{name: "408", sim: status(http.StatusRequestTimeout)},
		{name: "425", sim: status(http.StatusTooEarly)},
		{name: "429 without a header", sim: status(http.StatusTooManyRequests)},
		{name: "429, Retry-After in seconds", sim: status(http.StatusTooManyRequests, "Retry-After", "20"),
			wait: 20 * time.Second},
		{name: "429, Retry-After as a date", sim: status(http.StatusTooManyRequests, "Retry-After", date)},
		{name: "429, X-RateLimit-Retry-Secs", sim: status(http.StatusTooManyRequests, "X-RateLimit-Retry-Secs", "20.5"),
			wait: 20500 * time.Millisecond},
		{name: "429, X-RateLimit-Reset-Secs", sim: status(http.StatusTooManyRequests, "X-RateLimit-Reset-Secs", "20.5"),
			wait: 20500 * time.Millisecond},
		{name: "429, X-RateLimit-Reset as a date", sim: status(http.StatusTooManyRequests, "X-RateLimit-Reset", date)},
		{name: "429, Retry-After of an hour", sim: status(http.StatusTooManyRequests, "Retry-After", "3600")},
		{name: "429, Retry-After unreadable", sim: status(http.StatusTooManyRequests, "Retry-After", "soon")},
		{name: "500", sim: status(http.StatusInternalServerError)},
		{name: "502 with HTML", sim: status(http.StatusBadGateway)},
		{name: "503", sim: status(http.StatusServiceUnavailable)},
		{name: "504", sim: status(http.StatusGatewayTimeout)},
		{name: "502 after it was applied", sim: passforttest.Fault{Status: http.StatusBadGateway, AfterWrite: true}},
		{name: "no answer before the attempt's limit", sim: passforttest.Fault{Delay: day}},
		{name: "no body before the attempt's limit", sim: passforttest.Fault{Trickle: day}},
		{name: "no answer before the context ends", sim: passforttest.Fault{Delay: day}, deadline: 10 * time.Second,
			only: true},
		{name: "slow trickle", sim: passforttest.Fault{Trickle: time.Second}},
		{name: "body shorter than announced", sim: passforttest.Fault{Truncate: true}},
		{name: "truncated JSON", sim: passforttest.Fault{AfterWrite: true, Body: []byte(`[{"id":"0b1f`)}},
		{name: "empty body", sim: passforttest.Fault{AfterWrite: true, Body: []byte{}}},
		{name: "wrong content type", sim: passforttest.Fault{Header: http.Header{"Content-Type": {"text/html"}}}},
		{name: "gzip", sim: passforttest.Fault{Gzip: true}},
		{name: "oversized body", sim: passforttest.Fault{AfterWrite: true, Body: oversized}, only: true},
		{name: "307 to the same host", sim: redirect(http.StatusTemporaryRedirect, itself)},
		{name: "308 to the same host", sim: redirect(http.StatusPermanentRedirect, itself)},
		{name: "307 to another host", sim: redirect(http.StatusTemporaryRedirect, elsewhere)},
		{name: "308 to another host", sim: redirect(http.StatusPermanentRedirect, elsewhere)},
	}
}
