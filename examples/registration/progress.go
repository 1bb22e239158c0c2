package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/passfort-go/passfort"
)

// stage is what the applicant is told, and the data of an event.
type stage struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Text  string `json:"text"`
	Step  int    `json:"step"`
	// Final means that nothing more will come.
	Final bool `json:"final"`
}

func openStage() stage {
	return stage{"open", "Your form is not finished", "Please go back to the form and send it. Then we can start.", 2, false}
}

func checkingStage() stage {
	return stage{"checking", "We are checking", "This takes a few seconds, sometimes a few minutes. You can stay on this page.", 3, false}
}

func expiredStage() stage {
	return stage{"expired", "Your form has expired", "It was open for too long. Please sign out and start again.", 4, true}
}

func lateStage() stage {
	return stage{"late", "This takes longer than usual", "We write to you as soon as we know more. If you did not finish the form in time, sign out and start again.", 3, true}
}

// stageOf says what an application means for the applicant. The reasons of a
// decision are none of it.
func stageOf(app *passfort.Application) stage {
	switch app.Status {
	case passfort.ApplicationStatusApproved:
		return stage{"approved", "You are approved", "Welcome. Your account is open.", 4, true}
	case passfort.ApplicationStatusRejected, passfort.ApplicationStatusCancelled:
		return stage{"rejected", "We cannot open an account", "Please write to us if you have questions.", 4, true}
	}
	switch app.Flag {
	case passfort.ApplicationFlagRequiresManualTaskCompletion, passfort.ApplicationFlagReadyForDecision,
		passfort.ApplicationFlagWaitingOnEscalation, passfort.ApplicationFlagRequiresData:
		return stage{"review", "A person will look at it", "We write to you within one working day. You can close this page.", 4, false}
	}
	return checkingStage()
}

// requestChanged keeps how a request ended when a webhook tells it, whether or
// not somebody follows it, and wakes those who do.
func (s *site) requestChanged(ctx context.Context, e *passfort.WebhookEvent) error {
	if told, err := e.CustomerRequestChanged(); err == nil && told.State.Terminal() {
		a := s.applicants.ofProfile(told.ProfileID)
		if a != nil && (told.RequestID == "" || told.RequestID == a.snapshot().credentials.RequestID) {
			a.close(told.State)
		}
	}
	return s.inbox.Deliver(ctx, e)
}

// close notes that the request has ended, and how if that was told.
func (a *applicant) close(told passfort.CustomerRequestState) {
	a.update(func(r *registration) {
		if r.closed.IsZero() {
			r.closed = time.Now()
		}
		if told != "" {
			r.ended = told
		}
	})
}

// follow tells the stages of a registration until the last one or the end of
// ctx.
func (s *site) follow(ctx context.Context, a *applicant, tell func(stage)) error {
	if state := a.snapshot(); state.closed.IsZero() {
		tell(s.now(ctx, state))
		request, err := s.client.Forms.Wait(ctx, state.profileID, &passfort.WaitOptions{Inbox: s.inbox, MaxInterval: 5 * time.Second})
		if err != nil {
			return err
		}
		a.close(request.State)
	}
	if a.snapshot().ended != passfort.CustomerRequestStateExpired {
		tell(checkingStage())
	}
	app, err := s.application(ctx, a)
	if err == nil && app == nil {
		if a.snapshot().ended == passfort.CustomerRequestStateExpired {
			tell(expiredStage())
		} else {
			tell(lateStage())
		}
		return nil
	}
	for err == nil {
		seen := *app
		tell(stageOf(app))
		if stageOf(app).Final {
			return nil
		}
		app, err = s.client.Applications.Wait(ctx, a.snapshot().profileID, app.ID, func(now *passfort.Application) bool {
			return now.Flag != seen.Flag || now.Status != seen.Status
		}, &passfort.WaitOptions{MinInterval: 250 * time.Millisecond, MaxInterval: 5 * time.Second})
	}
	return err
}

// now tells where a request stands at this moment, as far as one question can.
func (s *site) now(ctx context.Context, state registration) stage {
	request, err := s.client.Forms.CustomerRequest(ctx, state.profileID)
	if err == nil && request.IsCompleted != nil && *request.IsCompleted {
		return checkingStage()
	}
	return openStage()
}

const (
	// patience is how long after the end of a request something may come of it.
	patience = 10 * time.Minute
	// webhookDelay is the longest time between two batches (sheet 4.1).
	webhookDelay = 10 * time.Second
)

// application waits for the application that the flow makes when a request is
// completed. It returns nil if the request turns out to have expired, and when
// nothing came in time.
//
// The API says that a request has ended and not how; a webhook does, a little
// later. Until it had its time, an application that is there tells nothing: the
// profile may have had it from the start.
func (s *site) application(ctx context.Context, a *applicant) (*passfort.Application, error) {
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		state := a.snapshot()
		if state.ended == passfort.CustomerRequestStateExpired {
			return nil, nil
		}
		if state.ended != "" || s.inbox == nil || time.Since(state.closed) > webhookDelay {
			apps, err := s.client.Applications.List(ctx, state.profileID)
			if err != nil {
				return nil, err
			}
			if len(apps) > 0 {
				return &apps[0], nil
			}
		}
		if time.Since(state.closed) > patience {
			return nil, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// checkingPage is the Data of checking.html.
type checkingPage struct {
	Stage     stage
	Simulated bool
}

// checking shows where the registration stands; checking.js keeps it up to date.
func (s *site) checking(w http.ResponseWriter, r *http.Request) {
	a := s.applicants.of(r)
	if a == nil || !a.snapshot().hasForm() {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	// The stage that is there within a moment; the page follows the rest.
	ctx, cancel := context.WithTimeout(r.Context(), 300*time.Millisecond)
	defer cancel()
	last := checkingStage()
	err := s.follow(ctx, a, func(next stage) {
		last = next
		if next.Name != "checking" {
			cancel()
		}
	})
	s.logFollow(err)
	s.show(w, r, http.StatusOK, "checking.html", page{Title: last.Title, Step: last.Step, Data: checkingPage{last, s.simulated != nil}})
}

// events sends the stages as server-sent events.
func (s *site) events(w http.ResponseWriter, r *http.Request) {
	a := s.applicants.of(r)
	if a == nil || !a.snapshot().hasForm() {
		w.WriteHeader(http.StatusNoContent) // tells the browser not to come back
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, private")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stages := make(chan stage)
	done := make(chan error, 1)
	go func() {
		done <- s.follow(ctx, a, func(next stage) {
			select {
			case stages <- next:
			case <-ctx.Done():
			}
		})
	}()
	alive := time.NewTicker(15 * time.Second)
	defer alive.Stop()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the server's would end the stream
	for {
		var err error
		select {
		case next := <-stages:
			data, _ := json.Marshal(next)
			_, err = fmt.Fprintf(w, "event: stage\ndata: %s\n\n", data)
		case <-alive.C:
			_, err = fmt.Fprint(w, ": alive\n\n")
		case err := <-done:
			s.logFollow(err)
			return
		}
		if err != nil || control.Flush() != nil {
			cancel()
			s.logFollow(<-done)
			return
		}
	}
}

func (s *site) logFollow(err error) {
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		s.log.Error("a registration could not be followed", "error", err)
	}
}
