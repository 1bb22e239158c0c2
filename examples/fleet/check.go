package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/fleet"
)

// waits remembers when a hint came for the checks that are waited for here, by
// one wait or several.
type waits struct {
	mu   sync.Mutex
	open map[string][]*fleet.Hint
}

func (s *waits) begin(checkID string) *fleet.Hint {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string][]*fleet.Hint{}
	}
	h := &fleet.Hint{}
	s.open[checkID] = append(s.open[checkID], h)
	return h
}

func (s *waits) heard(h fleet.Hint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, open := range s.open[h.CheckID] {
		if open.At.IsZero() {
			*open = h
		}
	}
}

// end ends a wait that began with h, and returns the hint that came for it.
func (s *waits) end(checkID string, h *fleet.Hint) fleet.Hint {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[checkID] = slices.DeleteFunc(s.open[checkID], func(open *fleet.Hint) bool { return open == h })
	if len(s.open[checkID]) == 0 {
		delete(s.open, checkID)
	}
	return *h
}

// checkRequest asks a worker for a check. Without a check id it makes up a
// person and runs one.
type checkRequest struct {
	ProfileID string `json:"profile,omitempty"`
	CheckID   string `json:"check,omitempty"`
}

// checkAnswer says how a wait ended.
type checkAnswer struct {
	WaitedAt   string        `json:"waited_at"`
	ReceivedAt string        `json:"received_at"` // empty: no webhook was heard of
	Woken      time.Duration `json:"woken"`       // from there to the end of the wait
	Polls      int           `json:"polls"`
	Problem    string        `json:"problem,omitempty"`
}

func (w *worker) answerCheck(ctx context.Context, msg *nats.Msg) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	answer := checkAnswer{WaitedAt: w.cfg.Name}
	if err := w.waitForCheck(ctx, msg.Data, &answer); err != nil {
		answer.Problem = err.Error()
	}
	if body, err := json.Marshal(answer); err == nil {
		_ = msg.Respond(body)
	}
}

// waitForCheck is what an onboarding does: it runs a check and waits, on this
// worker, whichever one gets the webhook.
func (w *worker) waitForCheck(ctx context.Context, body []byte, answer *checkAnswer) error {
	var req checkRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return errors.New("not a request for a check")
	}
	if req.CheckID == "" {
		data := passfort.NewIndividual()
		data.PersonalDetails = &passfort.PersonalDetails{
			Name: &passfort.FullName{GivenNames: []string{"Made"}, FamilyName: "Up"},
		}
		profile, err := w.client.Profiles.Create(ctx, &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: data,
		})
		if err != nil {
			return err
		}
		check, err := w.client.Checks.Run(ctx, profile.ID, &passfort.CheckRequest{
			Type: recheckType, Mode: passfort.CheckModeAsync,
		})
		if err != nil {
			return err
		}
		req.ProfileID, req.CheckID = profile.ID, check.ID
	}
	open := w.waits.begin(req.CheckID)
	_, err := w.client.Checks.Wait(ctx, req.ProfileID, req.CheckID, &passfort.WaitOptions{
		MinInterval: 20 * time.Second, // the webhook is what ends the wait
		Inbox:       w.inbox,
		OnPoll:      func(int) { answer.Polls++ },
	})
	ended := time.Now()
	if h := w.waits.end(req.CheckID, open); !h.At.IsZero() {
		answer.ReceivedAt, answer.Woken = h.From, ended.Sub(h.At)
	}
	return err
}
