package verify

import (
	"context"
	"errors"
	"time"

	"github.com/passfort-go/passfort"
)

// Options says how far a run goes. The zero value is a run of TierRead.
type Options struct {
	Tier Tier
	// ProfileID is the profile to look at. Empty, it is the newest one that can be
	// read, and up to three others for what that one lacks. TierCareful needs it;
	// TierDemo makes its own.
	ProfileID string
	// Aliases puts aliases of products into the report.
	Aliases bool
	// Progress is called before and after each probe, from the goroutine of Run.
	Progress func(Step)
	// Confirm is asked before the first request of TierCareful and TierDemo; with
	// false Run ends with ErrDeclined. With nil nothing is asked: naming the tier is
	// the consent to all that Plan.May says.
	Confirm func(Plan) bool
	// Pace is the least time between the starts of two requests. The default is half
	// a second. A write that puts back what was just read follows that read at once,
	// and its pause comes before the read.
	Pace time.Duration
}

// Step is one probe of a run.
type Step struct {
	Probe    Probe
	Number   int // from 1
	Of       int
	Requests int      // so far
	Finding  *Finding // nil: the probe begins
}

// Plan is what a tier may do.
type Plan struct {
	Tier Tier
	// MaxRequests bounds the requests.
	MaxRequests int
	// MaxTime bounds the run.
	MaxTime time.Duration
	// May says in words what the tier may do and cost.
	May string
}

// ErrDeclined means that Options.Confirm said no. Nothing was sent.
var ErrDeclined = errors.New("verify: declined; nothing was sent")

// Plan returns what the tier may do at most. That of TierListen has no bounds: a
// Listener sends nothing, and ends when its server does.
func (t Tier) Plan() Plan {
	switch t {
	case TierCareful:
		return Plan{t, 70, 3 * time.Minute,
			"reads the account, and on the named profile: writes collected data with an " +
				"ETag that is out of date, writes the same collected data back, and sets an application to the " +
				"status that it " +
				"has. The data stays as it is; a new version, audit items and a webhook may come of it. But if the " +
				"account " +
				"ignores ETags, or an application changes between its reading and its writing, such a write takes " +
				"back what " +
				"another writer did in that moment: name a profile that nothing else changes meanwhile."}
	case TierDemo:
		return Plan{t, 120, 6 * time.Minute, "makes one profile with made-up data, an application, a note, images, a " +
			"file, a document, two identity checks and a customer request, reads the audit report until a rate limit " +
			"is " +
			"reached, and deletes the profile at the end. On a live account the profile, these checks and those that " +
			"the " +
			"product runs by itself are charged: use it on a demo account only."}
	case TierListen:
		return Plan{Tier: t, May: "receives webhooks and sends nothing."}
	case TierRead:
	}
	return Plan{t, 60, 2 * time.Minute,
		"makes GET requests only. Reading a profile leaves an audit item, as any read " +
			"does."}
}

// Run asks the account of the client and returns what it found. It ends within
// the bounds of Tier.Plan, and as soon as ctx ends. Whoever names TierCareful or
// TierDemo agrees to what its Plan says, unless Options.Confirm asks first.
//
// Each request is made once and never repeated, but for the deletion that ends a demo
// run: if it fails, it is tried once more, for at most 10 seconds after ctx ended. If ctx ends, Run returns the report
// so far with the error of ctx. Other errors are an ErrInvalidInput of package
// passfort, for options that cannot be right, and ErrDeclined; both come before
// anything is sent, with a nil report. A server that refuses or is no Passfort is
// no error: Report.Server says what it is.
func Run(ctx context.Context, client *passfort.Client, opts Options) (*Report, error) {
	if err := opts.check(ctx, client); err != nil {
		return nil, err
	}
	plan := opts.Tier.Plan()
	if opts.Tier != TierRead && opts.Confirm != nil && !opts.Confirm(plan) {
		return nil, ErrDeclined
	}
	within, cancel := context.WithTimeout(ctx, plan.MaxTime)
	defer cancel()
	s := newSession(within, client, opts, plan)
	probes := probesOf(opts.Tier)
	for i, p := range probes {
		step := Step{Probe: p, Number: i + 1, Of: len(probes), Requests: s.requests}
		s.tell(step)
		f := s.ask(p)
		step.Finding, step.Requests = &f, s.requests
		s.report.Findings = append(s.report.Findings, f)
		s.tell(step)
	}
	for _, p := range Probes() {
		if !p.within(opts.Tier) {
			why := judgement{NotTried, "tier " + p.Tier.String() + " asks for it", ""}
			s.report.Findings = append(s.report.Findings, p.finding(why))
		}
	}
	s.report.Complete = s.ended() == ""
	s.report.Products = s.products()
	s.clean(ctx)
	s.report.Requests = s.requests
	return s.report, ctx.Err()
}

func (o *Options) check(ctx context.Context, client *passfort.Client) error {
	switch {
	case ctx == nil:
		return invalid("the context is nil")
	case client == nil:
		return invalid("the client is nil")
	case o.Tier < TierRead || o.Tier > TierDemo:
		return invalid("the tier is none of read, careful and demo")
	case o.Tier == TierCareful && o.ProfileID == "":
		return invalid("the careful tier needs a profile id")
	case o.Tier == TierDemo && o.ProfileID != "":
		return invalid("the demo tier makes its own profile and takes no profile id")
	case o.Pace < 0:
		return invalid("the pace is negative")
	}
	return nil
}

// invalidError is an ErrInvalidInput.
type invalidError string

func invalid(text string) error { return invalidError(text) }

func (e invalidError) Error() string { return "verify: " + string(e) }
func (e invalidError) Unwrap() error { return passfort.ErrInvalidInput }

func (s *session) tell(step Step) {
	if s.opts.Progress != nil {
		s.opts.Progress(step)
	}
}

// ask makes the requests that a probe needs and judges them.
func (s *session) ask(p Probe) Finding {
	if why := s.ended(); why != "" {
		return p.finding(judgement{NotTried, why, ""})
	}
	j := p.judge(s)
	if why := s.ended(); why != "" && s.foreign == "" && j.verdict == NotSeen {
		j = judgement{NotTried, why, ""}
	}
	return p.finding(j)
}

func (p Probe) finding(j judgement) Finding {
	f := Finding{
		Probe: p.Name, Belief: p.Belief, Seen: j.seen, Verdict: j.verdict, Switch: p.Switch, Value: j.value,
		Page: p.Page,
	}
	if j.verdict == Differs {
		f.Means = p.Means
	}
	return f
}
