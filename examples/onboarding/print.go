package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/passfort-go/passfort"
)

// width is how many columns a line has at most.
const width = 80

// printer prints the story: in colour and with a progress line that is
// rewritten in place on a terminal, in plain lines otherwise.
type printer struct {
	w      io.Writer
	colour bool
	live   bool // rewrite the progress line in place

	step    string // what is being done
	number  int
	pending int // columns of the progress line on the screen
}

func newPrinter(w io.Writer, getenv func(string) string) *printer {
	live := isTerminal(w) && getenv("TERM") != "dumb"
	return &printer{w: w, live: live, colour: live && getenv("NO_COLOR") == ""}
}

// isTerminal reports whether v, a reader or a writer, is a character device.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// The styles, as numbers of the SGR escape sequence.
const (
	plain  = ""
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// heading starts a part of the story. Its steps are numbered from 1.
func (p *printer) heading(text string) {
	p.number, p.step = 0, ""
	p.text("\n"+text, "", bold)
	p.text(strings.Repeat("-", utf8.RuneCountInString(text)), "", dim)
}

// begin says what is done next.
func (p *printer) begin(what string) {
	p.number++
	p.step = what
	p.text(fmt.Sprintf("\n%d. %s", p.number, what), "   ", bold)
}

// note prints a line about the step.
func (p *printer) note(format string, args ...any) {
	p.text("   "+fmt.Sprintf(format, args...), "   ", plain)
}

// good is a note that a step reached what it was for, watch one that deserves
// attention.
func (p *printer) good(format string, args ...any) {
	p.text("   "+fmt.Sprintf(format, args...), "   ", green)
}
func (p *printer) watch(format string, args ...any) {
	p.text("   "+fmt.Sprintf(format, args...), "   ", yellow)
}

// field prints a name and its value.
func (p *printer) field(name, format string, args ...any) {
	p.text(fmt.Sprintf("   %-12s %s", name, fmt.Sprintf(format, args...)), strings.Repeat(" ", 16), plain)
}

func (p *printer) item(text string)   { p.text("  "+text, "  ", plain) }
func (p *printer) bullet(text string) { p.text("- "+text, "  ", plain) }
func (p *printer) line(text string)   { p.text(text, "", plain) }
func (p *printer) bad(text string)    { p.text(text, "", red) }

// ask prints a question and stays on its line.
func (p *printer) ask(text string) {
	p.end()
	_, _ = io.WriteString(p.w, "\n"+text)
	p.pending = len(text)
}

// answered says that the answer ended the line of the question.
func (p *printer) answered() { p.pending = 0 }

// progress says what is being waited for. On a terminal the next progress or
// note takes its place.
func (p *printer) progress(format string, args ...any) {
	line := "   " + fmt.Sprintf(format, args...)
	if !p.live {
		p.text(line, "   ", plain)
		return
	}
	columns := utf8.RuneCountInString(line)
	if columns >= width {
		line, columns = string([]rune(line)[:width-1]), width-1
	}
	p.write("\r"+line+strings.Repeat(" ", max(0, p.pending-columns)), dim)
	p.pending = columns
}

// clear wipes the progress line, end leaves it on the screen.
func (p *printer) clear() {
	if p.pending > 0 {
		_, _ = io.WriteString(p.w, "\r"+strings.Repeat(" ", p.pending)+"\r")
		p.pending = 0
	}
}

func (p *printer) end() {
	if p.pending > 0 {
		_, _ = io.WriteString(p.w, "\n")
		p.pending = 0
	}
}

// text prints lines of at most width columns; the indent is that of all but
// the first.
func (p *printer) text(text, indent, style string) {
	p.clear()
	for line := range strings.SplitSeq(text, "\n") {
		for _, piece := range wrap(line, indent) {
			p.write(piece, style)
			_, _ = io.WriteString(p.w, "\n")
		}
	}
}

func (p *printer) write(text, style string) {
	if p.colour && style != plain && text != "" {
		text = "\x1b[" + style + "m" + text + "\x1b[0m"
	}
	_, _ = io.WriteString(p.w, text)
}

// wrap breaks a line at spaces. A word that is longer than a line stays whole.
func wrap(line, indent string) []string {
	var out []string
	for utf8.RuneCountInString(line) > width {
		runes := []rune(line)
		at := width
		for at > len(indent) && runes[at] != ' ' {
			at--
		}
		if at <= len(indent) {
			break
		}
		out = append(out, strings.TrimRight(string(runes[:at]), " "))
		line = indent + strings.TrimLeft(string(runes[at:]), " ")
	}
	return append(out, line)
}

// printSummary closes the story.
func (o *onboarding) printSummary() {
	o.out.heading("Summary")
	for i, c := range o.summary.Customers {
		if i > 0 {
			o.out.line("")
		}
		o.out.field(c.Kind, "%s  %s", c.ProfileID, c.Decision)
		for _, application := range c.Applications {
			o.out.field("applied for", "%s  %s  %s", application.Product, application.Status, application.Flag)
		}
		for _, check := range c.Checks {
			o.out.field("check", "%s  %s  %s %s", check.Type, check.State, check.Result, check.Decision)
		}
		for _, task := range c.Tasks {
			o.out.field("task", "%s  %s", task.Type, task.State)
		}
	}
	var operations []string
	for _, name := range slices.Sorted(maps.Keys(o.summary.Operations)) {
		operations = append(operations, fmt.Sprintf("%s=%d", name, o.summary.Operations[name]))
	}
	o.out.line("")
	o.out.field("requests", "%d in %.1f s, of which %d answered 412", o.summary.Requests, o.summary.Seconds,
		o.summary.Conflicts)
	o.out.field("", "%s", strings.Join(operations, ", "))
	if !o.live {
		o.out.line("")
		o.out.line("All of this was simulated. With PASSFORT_API_KEY set, the same program does it with your account," +
			" after asking; see -help.")
	}
}

func (p *printer) application(application *passfort.Application) {
	p.field("application", "%s", application.ID)
	p.field("", "%s, %s, %s", alias(application), application.Status, application.Flag)
}

func (p *printer) task(task *passfort.Task) {
	p.field("task", "%s  %s", task.Type, task.State)
}

// flags prints how the flag of an application moved.
func (p *printer) flags(application *passfort.Application) {
	var moved []string
	for _, step := range application.FlagHistory {
		moved = append(moved, string(step.Flag))
	}
	if len(moved) == 0 {
		moved = append(moved, string(application.Flag))
	}
	p.note("flag of %s: %s", alias(application), strings.Join(moved, " > "))
}
