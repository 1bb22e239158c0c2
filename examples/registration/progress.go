package main

import (
	"context"
	"time"

	"github.com/passfort-go/passfort"
)

// stage is what the applicant sees, and the data of an event.
type stage struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Text  string `json:"text"`
	Step  int    `json:"step"`
	// Final means that nothing more will come.
	Final bool `json:"final"`
	// Again means that another form can be asked for.
	Again bool `json:"again"`
}

// settled reports whether it stays so. What takes longer than usual does not.
func (s stage) settled() bool { return s.Final && s.Name != "late" }

func openStage() stage {
	return stage{"open", "Your form is not finished", "Please go back to the form and send it. Then we can start.", 2,
		false, false}
}

func checkingStage() stage {
	return stage{"checking", "We are checking",
		"This takes a few seconds, sometimes a few minutes. You can stay on this page.", 3, false, false}
}

func expiredStage() stage {
	return stage{"expired", "Your form has expired",
		"It was open for too long. Start again: you keep the place that you have with us.", 4, true, true}
}

// lateStage is for a form that was sent, or of which that cannot be change.
func lateStage(sent bool) stage {
	text := "We write to you as soon as we know more."
	if !sent {
		text += " If you did not finish the form in time, start again."
	}
	return stage{"late", "This takes longer than usual", text, 3, true, !sent}
}

// endedStage is for a page whose session is over. What happened to the
// registration is not known any more.
func endedStage() stage {
	return stage{"ended", "Your session has ended",
		"It was too long ago, or this site was restarted. If you sent the form, " +
			"we have it, and we write to you: there is no need to start again.", 3, true, false}
}

// stageOf says what an application means for the applicant. The reasons of a
// decision are none of it.
func stageOf(app *passfort.Application) stage {
	switch app.Status {
	case passfort.ApplicationStatusApproved:
		return stage{"approved", "You are approved", "Welcome. Your account is open.", 4, true, false}
	case passfort.ApplicationStatusRejected, passfort.ApplicationStatusCancelled:
		return stage{"rejected", "We cannot open an account", "Please write to us if you have questions.", 4, true,
			false}
	}
	switch app.Flag {
	case passfort.ApplicationFlagRequiresManualTaskCompletion, passfort.ApplicationFlagReadyForDecision,
		passfort.ApplicationFlagWaitingOnEscalation, passfort.ApplicationFlagRequiresData:
		return stage{"review", "A person will look at it",
			"We write to you within one working day. You can close this page.", 4, false, false}
	}
	return checkingStage()
}

// requestChanged keeps how a request ended when a webhook says it, whether or
// not a page follows it, and wakes those who do.
func (s *site) requestChanged(ctx context.Context, e *passfort.WebhookEvent) error {
	if change, err := e.CustomerRequestChanged(); err == nil && change.State.Terminal() {
		a := s.applicants.ofProfile(change.ProfileID)
		if a != nil && a.snapshot().isAbout(change.RequestID) {
			a.close(change.State)
		}
	}
	return s.inbox.Deliver(ctx, e)
}

// isAbout reports whether a message with the id of a request, or without one, is
// about the request that is open now.
func (r registration) isAbout(requestID string) bool {
	return requestID == r.credentials.RequestID || requestID == "" && !r.renewed
}

// close notes that the request has ended, and how if that is known.
func (a *applicant) close(change passfort.CustomerRequestState) {
	defer a.follower.wake()
	a.update(func(r *registration) {
		if r.closed.IsZero() {
			r.closed = time.Now()
		}
		if change != "" {
			r.ended = change
		}
	})
}

// follow reports the stages of a registration until the last one or the end of
// ctx.
func (s *site) follow(ctx context.Context, a *applicant, tell func(stage)) error {
	if state := a.snapshot(); state.closed.IsZero() {
		tell(s.now(ctx, a))
		request, err := s.client.Forms.Wait(ctx, state.profileID, &passfort.WaitOptions{
			Inbox: s.inbox, MaxInterval: 5 * time.Second,
		})
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
			tell(lateStage(a.snapshot().ended != ""))
		}
		return nil
	}
	for err == nil {
		seen := *app
		tell(stageOf(app))
		if stageOf(app).Final {
			return nil
		}
		app, err = s.client.Applications.Wait(ctx, a.snapshot().profileID, app.ID,
			func(now *passfort.Application) bool {
				return now.Flag != seen.Flag || now.Status != seen.Status
			}, &passfort.WaitOptions{MinInterval: 250 * time.Millisecond, MaxInterval: 5 * time.Second})
	}
	return err
}

// now returns where a request stands at this moment, as far as one question can.
func (s *site) now(ctx context.Context, a *applicant) stage {
	request, err := s.client.Forms.CustomerRequest(ctx, a.snapshot().profileID)
	if err == nil && request.IsCompleted != nil && *request.IsCompleted {
		return checkingStage()
	}
	return openStage()
}

const (
	// patience is how long after the end of a request something may come of it.
	patience = 10 * time.Minute
	// webhookDelay is the longest time between two batches (docs/api/webhooks.md#delivery).
	webhookDelay = 10 * time.Second
)

// application waits for the application that the flow makes when a request is
// completed. It returns nil if the request turns out to have expired, and when
// nothing came in time.
//
// The API says that a request has ended and not how; a webhook does, a little
// later. Until it had its time, an existing application proves nothing: the
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
