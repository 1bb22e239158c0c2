package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Tier says how far a run may go. The zero value is TierRead.
type Tier int

// The tiers. Each includes the ones before it.
const (
	// TierRead makes GET requests only.
	TierRead Tier = iota
	// TierCareful also makes writes that leave the data of the profile as it is. The
	// profile has to be named, and should be one that nothing else changes meanwhile:
	// where ETags are ignored, a write can take back what another writer just did.
	TierCareful
	// TierDemo makes a profile with everything below it, and deletes it at the end.
	// It is for demo accounts: on a live account it would be charged. Naming it is
	// consent to that, unless Options.Confirm asks.
	TierDemo
	// TierListen is the tier of a report that a Listener makes.
	TierListen
)

var tierNames = []string{"read", "careful", "demo", "listen"}

// String returns the name of the tier: read, careful, demo or listen.
func (t Tier) String() string {
	if t < 0 || int(t) >= len(tierNames) {
		return "unknown"
	}
	return tierNames[t]
}

// MarshalText returns the name of the tier.
func (t Tier) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the name of a tier.
func (t *Tier) UnmarshalText(text []byte) error {
	for i, name := range tierNames {
		if string(text) == name {
			*t = Tier(i)
			return nil
		}
	}
	return errors.New("verify: the tier is none of read, careful, demo and listen")
}

// Verdict says how an answer compares with a belief.
type Verdict string

// The verdicts.
const (
	// Confirmed means that the account does what the SDK believes.
	Confirmed Verdict = "confirmed"
	// Differs means that the account does something else.
	Differs Verdict = "differs"
	// NotSeen means that the account was asked and its answer shows neither.
	NotSeen Verdict = "not seen"
	// NotTried means that the account was not asked: the tier does not go so far, or
	// the run ended before.
	NotTried Verdict = "not tried"
)

// Finding is what one probe found. All of it is fixed words, statuses and counts.
type Finding struct {
	// Probe is the name of the probe, such as "etag-quotes".
	Probe string `json:"probe"`
	// Belief is what the SDK believes.
	Belief string `json:"belief"`
	// Seen is what the account did.
	Seen    string  `json:"seen"`
	Verdict Verdict `json:"verdict"`
	// Means says what a difference means for code; empty unless it differs.
	Means string `json:"means,omitempty"`
	// Switch is the switch of passforttest that plays what was seen; empty if there
	// is none.
	Switch string `json:"switch,omitempty"`
	// Value is what the switch, or the option that plays it, has to be set to, if it
	// is no plain yes.
	Value string `json:"value,omitempty"`
	// Page is the page on the API that has the belief.
	Page string `json:"page"`
}

// Product is the shape of a product that applications were seen for.
type Product struct {
	// Alias is empty unless Options.Aliases asked for it.
	Alias string `json:"alias,omitempty"`
	// Tasks are the types of the tasks that it requires.
	Tasks []string `json:"tasks"`
}

// Report is what a run found. Its JSON holds no key, id, name or value.
type Report struct {
	// SDK is the version of this module.
	SDK  string `json:"sdk"`
	Tier Tier   `json:"tier"`
	// Date is the day of the run in UTC, as YYYY-MM-DD.
	Date string `json:"date"`
	// Server says in words what answered.
	Server string `json:"server"`
	// Requests is how many requests were made.
	Requests int `json:"requests"`
	// Complete is false if the run ended before every probe of its tier.
	Complete bool      `json:"complete"`
	Findings []Finding `json:"findings"`
	// Products are the shapes of the products that were seen.
	Products []Product `json:"products,omitempty"`
	// Left lists in words what a run of TierDemo could not remove, and says if the data
	// that TierCareful wrote back is no longer what it was.
	Left []string `json:"left,omitempty"`
}

// Count returns how many findings have the verdict.
func (r *Report) Count(v Verdict) int { return len(r.With(v)) }

// With returns the findings that have the verdict.
func (r *Report) With(v Verdict) []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.Verdict == v {
			out = append(out, f)
		}
	}
	return out
}

// Unseen returns the switches of passforttest that the report says nothing of.
func (r *Report) Unseen() []string {
	var out []string
	for _, f := range r.Findings {
		if f.Switch != "" && f.Verdict != Confirmed && f.Verdict != Differs {
			out = append(out, f.Switch)
		}
	}
	return out
}

// maxReport is how long a report that is read may be.
const maxReport = 1 << 20

// ReadReport reads a report that was written as JSON, at most 1 MiB of it.
func ReadReport(r io.Reader) (*Report, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return nil, fmt.Errorf("verify: the report cannot be read: %w", err)
	}
	if len(raw) > maxReport {
		return nil, errors.New("verify: the report is longer than 1 MiB")
	}
	var out Report
	if json.Unmarshal(raw, &out) != nil || out.Findings == nil {
		return nil, errors.New("verify: the file is no report of verify")
	}
	return &out, nil
}

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(raw, '\n'))
	return err
}

// columns is the width of a text in characters.
const columns = 80

// WriteText writes the report for people, in lines of at most 80 characters: what
// differs and what that means for code, what is as believed, and what could not be
// seen.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Passfort as this account answers: tier %s, %d requests, %s\n", r.Tier, r.Requests, r.Date)
	wrap(&b, "Server: ", r.Server)
	if !r.Complete {
		b.WriteString("The run ended before all of it was asked.\n")
	}
	section(&b, "As believed", r.With(Confirmed), false)
	section(&b, "Different", r.With(Differs), true)
	section(&b, "Not seen", append(r.With(NotSeen), r.With(NotTried)...), false)
	for _, left := range r.Left {
		wrap(&b, "Left to you: ", left)
	}
	fmt.Fprintf(&b, "\n%d as believed, %d different, %d not seen, %d not tried\n",
		r.Count(Confirmed), r.Count(Differs), r.Count(NotSeen), r.Count(NotTried))
	_, err := io.WriteString(w, b.String())
	return err
}

// nameColumn is the width of the names of probes.
const nameColumn = 22

func section(b *strings.Builder, title string, findings []Finding, whole bool) {
	fmt.Fprintf(b, "\n%s (%d)\n", title, len(findings))
	for _, f := range findings {
		first := fmt.Sprintf("  %-*s ", nameColumn, f.Probe)
		if !whole {
			wrap(b, first, f.Seen)
			continue
		}
		indent := strings.Repeat(" ", len(first))
		wrap(b, first, "seen: "+f.Seen)
		wrap(b, indent, "believed: "+f.Belief)
		wrap(b, indent, "for code: "+f.Means)
		if f.Switch != "" {
			wrap(b, indent, "simulator: "+f.Switch+" "+f.Value)
		}
		wrap(b, indent, "see "+f.Page)
	}
}

// wrap writes first and text, broken at spaces; further lines are indented like
// the first.
func wrap(b *strings.Builder, first, text string) {
	line := first
	for _, word := range strings.Fields(text) {
		if utf8.RuneCountInString(line)+utf8.RuneCountInString(word) > columns && strings.TrimSpace(line) != "" {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = strings.Repeat(" ", utf8.RuneCountInString(first))
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}
