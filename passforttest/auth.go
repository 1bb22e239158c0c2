package passforttest

import (
	"net/http"
	"slices"
	"time"
)

type keyKind string

const (
	keyMaster  keyKind = "master"
	keyAccount keyKind = "account" // a further key of the account
	keyCollect keyKind = "collect" // for the data of some profiles
	keyRequest keyKind = "request" // for one customer request
)

type keyInfo struct {
	Name     string    `json:"name"`
	Kind     keyKind   `json:"kind"`
	Profiles []string  `json:"profiles,omitempty"`
	Request  string    `json:"request,omitempty"`
	Expiry   time.Time `json:"expiry,omitzero"`
}

// AddAPIKey creates a further key of the account, called name. It may do
// everything but create customer requests, which takes the master key
// (sheet 1.2).
func (s *Server) AddAPIKey(name string) string {
	s.enter()
	defer s.leave()
	key := s.newKey()
	s.addKey(key, &keyInfo{Name: name, Kind: keyAccount})
	return key
}

// authenticate finds the key of the call. A key in the query does not count.
func (s *Server) authenticate(c *call) error {
	sent := c.req.Header.Get("apikey")
	if sent == "" {
		return refuse(http.StatusUnauthorized, CodeMissingAPIKey, "missing API key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.state.Keys[sent]
	if key == nil || !key.Expiry.IsZero() && s.clockNow().After(key.Expiry) {
		return refuse(http.StatusUnauthorized, CodeInvalidAPIKey, "invalid API key")
	}
	c.key = key
	if c.route == nil {
		return nil
	}
	permitted := true
	switch key.Kind {
	case keyAccount:
		permitted = !c.route.master
	case keyCollect:
		permitted = c.route.collect && slices.Contains(key.Profiles, c.params["profile_id"])
	case keyRequest:
		permitted = false
	}
	if !permitted {
		return refuse(http.StatusForbidden, CodeInvalidAPIKey, "this API key is not permitted to do that")
	}
	return nil
}

func (s *Server) whoAmI(c *call) (*reply, error) {
	return ok(object{
		"auditee_name": c.key.Name,
		"institution": object{
			"id": s.nameID("institution", s.cfg.institution), "name": s.cfg.institution, "logo_url": nil,
		},
		"user": nil,
	}), nil
}
