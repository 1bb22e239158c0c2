package passforttest

import (
	"slices"
	"strings"
	"time"
)

// keyRoutes are the operations on keys.
func keyRoutes() []*route {
	return []*route{
		{Operation: "Collect.CreateKey", Method: post, Path: "/api_keys/collect",
			handle: withObject((*world).createCollectKey), creates: true},
		{Operation: "Collect.CreateProfileKey", Method: post, Path: "/api_keys/collect/{profile_id}",
			handle: (*world).createProfileKey, creates: true},
		{Operation: "WhoAmI", Method: get, Path: "/whoami",
			handle: (*world).whoAmI},
	}
}

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

// collectKeyLife is how long the key of a collect session is valid.
const collectKeyLife = 24 * time.Hour

// AddAPIKey creates a further key of the account, called name. It may do everything but create
// customer requests, which takes the master key (docs/api/basics.md#keys).
func (s *Server) AddAPIKey(name string) string {
	w := s.world.enter()
	defer w.leave()
	key := w.newKey()
	w.addKey(key, &keyInfo{Name: name, Kind: keyAccount})
	return key
}

// authenticate returns the key that was sent if it is valid and opens the route, which
// may be nil. It takes the lock.
func (w *world) authenticate(sent string, rt *route, profileID string) (*keyInfo, error) {
	if sent == "" {
		return nil, refuse(unauthorized, CodeMissingAPIKey, "missing API key")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := w.state.Keys[sent]
	if key == nil || !key.Expiry.IsZero() && w.clockNow().After(key.Expiry) {
		return nil, refuse(unauthorized, CodeInvalidAPIKey, "invalid API key")
	}
	if rt == nil || key.permits(rt, strings.ToLower(profileID)) {
		return key, nil
	}
	return key, refuse(forbidden, CodeInvalidAPIKey, "this API key is not permitted to do that")
}

// permits reports whether a key opens a route.
func (k *keyInfo) permits(rt *route, profileID string) bool {
	switch k.Kind {
	case keyAccount:
		return !rt.master
	case keyCollect:
		return rt.collect && slices.Contains(k.Profiles, profileID)
	case keyRequest:
		return false
	}
	return true
}

func (w *world) whoAmI(c *call) (*reply, error) {
	return ok(object{
		"auditee_name": c.key.Name,
		"institution": object{
			"id": nameID("institution", w.cfg.institution), "name": w.cfg.institution, "logo_url": nil,
		},
		"user": nil,
	}), nil
}

func (w *world) createCollectKey(_ *call, body object) (*reply, error) {
	ids, is := stringList(body, "profile_ids")
	if !is || len(ids) == 0 {
		return nil, missing("profile_ids")
	}
	return w.collectKey(ids)
}

func (w *world) createProfileKey(c *call) (*reply, error) {
	return w.collectKey([]string{c.params["profile_id"]})
}

func (w *world) collectKey(ids []string) (*reply, error) {
	for i, id := range ids {
		p, err := w.look(id)
		if err != nil {
			return nil, err
		}
		ids[i] = p.ID
	}
	k := &keyInfo{Name: "Collect key", Kind: keyCollect, Profiles: ids, Expiry: w.tick.Add(collectKeyLife)}
	key := w.newKey()
	w.addKey(key, k)
	return ok(object{"name": k.Name, "key": key, "expiry": dateTime(k.Expiry)}), nil
}
