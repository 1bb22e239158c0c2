package verify

// Probe is one belief of the SDK about the API, and how to ask an account for it.
type Probe struct {
	// Name is short and never changes.
	Name string
	// Tier is the least tier that asks.
	Tier Tier
	// Asks says what is sent, and so why it is safe.
	Asks string
	// Belief is what the SDK believes.
	Belief string
	// Means says what a difference means for code.
	Means string
	// Switch is the switch of passforttest that plays the other side, or empty.
	Switch string
	// Page is where docs/api has the belief.
	Page string

	judge func(*session) judgement  // of what a run asked
	hear  func(*Listener) judgement // of what a Listener heard
}

// judgement is what a probe makes of the answers.
type judgement struct {
	verdict Verdict
	seen    string
	value   string
}

func confirmed(seen string) judgement { return judgement{Confirmed, seen, ""} }
func differs(seen string) judgement   { return judgement{Differs, seen, ""} }
func notSeen(why string) judgement    { return judgement{NotSeen, why, ""} }

// either is confirmed or differs.
func either(asBelieved bool, yes, no string) judgement {
	if asBelieved {
		return confirmed(yes)
	}
	return differs(no)
}

// within reports whether a run of the tier asks for the probe.
func (p Probe) within(t Tier) bool {
	return p.Tier != TierListen && p.Tier <= t || t == TierListen && p.Tier == TierListen
}

// Probes returns every probe, in the order in which a run asks.
func Probes() []Probe {
	var out []Probe
	for _, part := range [][]Probe{
		createProbes(), basicProbes(), listProbes(), profileProbes(), carefulProbes(), partProbes(), demoProbes(),
		limitProbes(), lastProbes(), listenProbes(),
	} {
		out = append(out, part...)
	}
	return out
}

func probesOf(t Tier) []Probe {
	var out []Probe
	for _, p := range Probes() {
		if p.within(t) {
			out = append(out, p)
		}
	}
	return out
}
