package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// This file decides who may begin a registration. Each one makes a profile, and
// profiles and their checks cost money. A real site asks for a sign-in, a
// confirmed e-mail address or a captcha in mayRegister, as rates alone only slow
// down a person with many addresses.

// admission holds how many registrations may begin: of one address, and of all.
type admission struct {
	header string // that of the proxy in front which has the address, or ""
	each   rate
	all    rate

	mu        sync.Mutex
	addresses map[netip.Prefix]time.Time
	together  time.Time
}

// rate lets burst pass at once and one more after each pause.
type rate struct {
	burst int
	pause time.Duration
}

// maxAddresses is how many addresses are known at a time. Those beyond them pass
// by the rate of all.
const maxAddresses = 10_000

func newAdmission(header string, eachPerHour, allPerMinute int) *admission {
	return &admission{
		header: header, addresses: map[netip.Prefix]time.Time{},
		each: rate{eachPerHour, time.Hour / time.Duration(eachPerHour)},
		all:  rate{allPerMinute, time.Minute / time.Duration(allPerMinute)},
	}
}

// tooManyError says when another registration may begin.
type tooManyError struct{ after time.Duration }

func (e *tooManyError) Error() string {
	return fmt.Sprintf("too many registrations, the next one in %s", e.after.Round(time.Second))
}

// mayRegister returns an error if the visitor of r may not begin a registration
// now. Ask here for a sign-in, or check the answer to a captcha.
func (a *admission) mayRegister(r *http.Request) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, address := time.Now(), a.address(r)
	full, known := a.addresses[address]
	if !known && len(a.addresses) >= maxAddresses {
		a.forget(now)
	}
	afterEach, okEach := a.each.take(full, now)
	afterAll, okAll := a.all.take(a.together, now)
	switch {
	case !okEach:
		return &tooManyError{afterEach.Sub(now)}
	case !okAll:
		return &tooManyError{afterAll.Sub(now)}
	}
	a.together = afterAll
	if known || len(a.addresses) < maxAddresses {
		a.addresses[address] = afterEach
	}
	return nil
}

// take returns when all of the rate is to be had again after one more, or the
// time when that one may pass.
func (r rate) take(full, now time.Time) (time.Time, bool) {
	if full.Before(now) {
		full = now
	}
	full = full.Add(r.pause)
	if wait := full.Add(-time.Duration(r.burst) * r.pause); wait.After(now) {
		return wait, false
	}
	return full, true
}

// forget drops the addresses that have their whole rate again.
func (a *admission) forget(now time.Time) {
	for address, full := range a.addresses {
		if full.Before(now) {
			delete(a.addresses, address)
		}
	}
}

// address returns that of the visitor: a whole IPv4 address, or the network of an
// IPv6 address, as one subscriber has so many. What is none counts as one.
func (a *admission) address(r *http.Request) netip.Prefix {
	text, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		text = r.RemoteAddr
	}
	if a.header != "" {
		all := strings.Split(strings.Join(r.Header.Values(a.header), ","), ",")
		text = strings.TrimSpace(all[len(all)-1]) // what the nearest proxy saw
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}
	}
	address, bits := address.Unmap().WithZone(""), 32
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits)
	return prefix
}
