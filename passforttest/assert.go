package passforttest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Reporter is the part of *testing.T that the assertions need.
type Reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// AssertSeen fails the test unless the server saw so many requests to an
// operation since it started or since ForgetRequests.
func (s *Server) AssertSeen(t Reporter, operation string, times int) {
	t.Helper()
	if got := s.Count(operation); got != times {
		t.Errorf("%s: the server saw %d requests, not %d%s", operation, got, times, s.told(operation))
	}
}

// AssertApplied fails the test unless the server carried out so many of the
// recorded requests to an operation, whatever answer was sent or lost. With 1
// it says that a write happened, and happened once.
func (s *Server) AssertApplied(t Reporter, operation string, times int) {
	t.Helper()
	got := 0
	for _, r := range s.RequestsTo(operation) {
		if r.Applied {
			got++
		}
	}
	if got != times {
		t.Errorf("%s: carried out %d times, not %d%s", operation, got, times, s.told(operation))
	}
}

// AssertOnly fails the test if the server saw a request to any other operation.
func (s *Server) AssertOnly(t Reporter, operations ...string) {
	t.Helper()
	var other []string
	for _, r := range s.Requests() {
		if !slices.Contains(operations, r.Operation) {
			other = append(other, r.Method+" "+r.Path)
		}
	}
	if other != nil {
		t.Errorf("the server saw other requests: %s", strings.Join(other, ", "))
	}
}

// LastRequest returns the newest recorded request to an operation. It fails the
// test if there is none.
func (s *Server) LastRequest(t Reporter, operation string) RecordedRequest {
	t.Helper()
	all := s.RequestsTo(operation)
	if len(all) == 0 {
		t.Errorf("%s: no request", operation)
		return RecordedRequest{}
	}
	return all[len(all)-1]
}

// JSON decodes what was kept of the body into v.
func (r RecordedRequest) JSON(v any) error {
	if r.Size > int64(len(r.Body)) {
		return fmt.Errorf("passforttest: only %d of %d bytes of the body were kept", len(r.Body), r.Size)
	}
	return json.Unmarshal(r.Body, v)
}

// told lists the requests to an operation, a line each.
func (s *Server) told(operation string) string {
	var b strings.Builder
	for _, r := range s.RequestsTo(operation) {
		fmt.Fprintf(&b, "\n\t%s %s: status %d, applied %v, fault %v", r.Method, r.Path, r.Status, r.Applied, r.Faulty)
	}
	return b.String()
}
