package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// exchange is what testdata/overlay writes down.
type exchange struct {
	Operation, Method string
	Status            int
	Header            http.Header
	Answer            []byte
	Fault             *passforttest.Fault
	Lenient           bool
	Webhook           []byte
}

// Whatever the simulator answers and sends while the tests of the SDK run is what
// the description says.
func TestSuiteFitsTheDescription(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the tests of the SDK")
	}
	all := runSuite(t)
	j := newJudge(t, nil)
	judged, faulty, lenient, sent := map[string]bool{}, 0, 0, 0
	for _, x := range all {
		switch {
		case x.Webhook != nil:
			sent++
			j.webhook(x.Webhook)
		case x.brokenOnPurpose():
			faulty++
		case x.Lenient && x.Status/100 == 2:
			lenient++
		default:
			judged[x.Operation] = true
			j.exchange(x)
		}
	}
	for _, name := range passforttest.Operations() {
		require.True(t, judged[name], "no test has an answer of %s", name)
	}
	for name := range j.model.Webhooks.FromOldest() {
		require.True(t, j.events[name], "no test has a webhook %s", name)
	}
	t.Logf("%d forms of answers and %d of webhooks judged; left out: %d broken by a fault, %d of lenient servers",
		len(all)-faulty-lenient-sent, sent, faulty, lenient)
}

// runSuite runs every test that uses the simulator, and returns what it answered
// and sent.
func runSuite(t *testing.T) []exchange {
	t.Helper()
	module, err := filepath.Abs(root)
	require.NoError(t, err)
	dir := t.TempDir()
	out := filepath.Join(dir, "exchanges")
	require.NoError(t, os.Mkdir(out, 0o700))
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = module
		cmd.Env = append(os.Environ(), "PASSFORT_EXCHANGES="+out)
		printed, err := cmd.CombinedOutput()
		require.NoError(t, err, string(printed))
		return string(printed)
	}
	packages := testsOfTheSimulator(run("list", "-test", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./..."))
	require.Contains(t, packages, "github.com/passfort-go/passfort")
	// GOFLAGS and not a flag: tests build programs with the simulator in them.
	t.Setenv("GOFLAGS", "-overlay="+overlay(t, module, dir))
	run(append([]string{"test", "-vet=off", "-count=1"}, packages...)...)
	return readExchanges(t, out)
}

// testsOfTheSimulator returns the packages whose tests use it.
func testsOfTheSimulator(listed string) (packages []string) {
	for line := range strings.Lines(listed) {
		name, deps, _ := strings.Cut(strings.TrimSpace(line)+" ", " ")
		if base, isTest := strings.CutSuffix(name, ".test"); isTest && strings.Contains(deps, "passfort/passforttest") {
			packages = append(packages, base)
		}
	}
	return packages
}

// overlay puts testdata/overlay in front of the functions that it calls.
func overlay(t *testing.T, module, dir string) string {
	t.Helper()
	added, err := filepath.Abs(filepath.Join("testdata", "overlay", "exchanges.go"))
	require.NoError(t, err)
	replaced := map[string]string{filepath.Join(module, "passforttest", "zz_exchanges.go"): added}
	left := map[string]string{
		"func (s *Server) ServeHTTP(": "func (s *Server) seenServeHTTP(",
		"func (l *faults) take(":      "func (l *faults) seenTake(",
		"func (d *deliveries) post(":  "func (d *deliveries) seenPost(",
	}
	files, err := filepath.Glob(filepath.Join(module, "passforttest", "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		text := string(raw)
		for was, is := range left {
			if strings.Contains(text, "\n"+was) {
				text = strings.Replace(text, "\n"+was, "\n"+is, 1)
				delete(left, was)
			}
		}
		if text != string(raw) {
			replaced[file] = filepath.Join(dir, filepath.Base(file))
			require.NoError(t, os.WriteFile(replaced[file], []byte(text), 0o600))
		}
	}
	require.Empty(t, left, "functions that are not where testdata/overlay looks for them")
	raw, err := json.Marshal(map[string]any{"Replace": replaced})
	require.NoError(t, err)
	path := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	return path
}

func readExchanges(t *testing.T, dir string) (all []exchange) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		file, err := os.Open(name)
		require.NoError(t, err)
		lines := bufio.NewReader(file)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil { // without its end it is of a process that was killed
				break
			}
			var x exchange
			require.NoError(t, json.Unmarshal(line, &x))
			all = append(all, x)
		}
		require.NoError(t, file.Close())
	}
	return all
}

// brokenOnPurpose reports whether the fault that hit the call decided what the body
// is, or left no answer that anyone could read.
func (x *exchange) brokenOnPurpose() bool {
	f := x.Fault
	if f == nil {
		return false
	}
	answers := f.Status != 0 || f.AfterWrite
	return f.Truncate || f.Header.Get("Content-Type") != "" || f.Header.Get("Content-Encoding") != "" ||
		answers && (f.Body != nil || x.Status/100 == 1 || x.Status/100 == 3 || !isJSON(x.Header))
}

func isJSON(h http.Header) bool { return strings.Contains(h.Get("Content-Type"), "json") }

// exchange holds an answer against the response of its operation and status.
func (j *judge) exchange(x exchange) {
	if x.Header.Get("Content-Encoding") == "gzip" {
		r, err := gzip.NewReader(bytes.NewReader(x.Answer))
		require.NoError(j.t, err)
		x.Answer, err = io.ReadAll(r)
		require.NoError(j.t, err)
	}
	if problem := j.answer(x.Operation, x.Status, x.Header, x.Answer); problem != "" {
		j.t.Errorf("answer of %q %s, %d: %s\n%.600s", x.Operation, x.Method, x.Status, problem, x.Answer)
	}
}

// answer says what is wrong with an answer of an operation, or of none.
func (j *judge) answer(name string, status int, header http.Header, body []byte) string {
	if status/100 == 2 {
		status = http.StatusOK
		var refused map[string]json.RawMessage
		if json.Unmarshal(body, &refused) == nil && len(refused) == 1 && refused["errors"] != nil {
			status = http.StatusBadRequest // docs/api/basics.md#errors: refusals had status 200
		}
	}
	op := j.operations[name]
	if name == "" {
		op = j.operations["WhoAmI"] // refusals are the same everywhere
		if status == http.StatusOK {
			return "there is no such operation"
		}
	}
	response := responseFor(op, status)
	if response == nil {
		return "the description has no such status"
	}
	if response.Content == nil {
		return ""
	}
	kind := header.Get("Content-Type")
	if len(body) == 0 && kind == "" && status == http.StatusOK {
		body, kind = []byte("null"), "application/json"
	}
	media := response.Content.GetOrZero(kind)
	switch {
	case media == nil:
		return "the description has no body of type " + kind
	case kind != "application/json":
		return ""
	}
	return j.fits(media.Schema.Schema(), body)
}

// fits says what is wrong with a JSON text under a schema. As the description says,
// a member that is null is absent.
func (j *judge) fits(schema *base.Schema, body []byte) string {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "no JSON: " + err.Error()
	}
	plain, err := json.Marshal(withoutNulls(v))
	require.NoError(j.t, err)
	_, problems := j.schemas.ValidateSchemaBytesWithVersion(schema, plain, 3.1)
	return reasons(problems)
}

// withoutNulls leaves out members that are null, and makes numbers that no float64
// holds, which the validator cannot read, the largest one.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
				continue
			}
			v[name] = withoutNulls(member)
		}
	case []any:
		for i, element := range v {
			v[i] = withoutNulls(element)
		}
	case json.Number:
		if _, err := v.Float64(); err != nil {
			return math.MaxFloat64
		}
	}
	return v
}

func responseFor(op *v3.Operation, status int) *v3.Response {
	for _, code := range []string{strconv.Itoa(status), strconv.Itoa(status/100) + "XX"} {
		if r := op.Responses.Codes.GetOrZero(code); r != nil {
			return r
		}
	}
	return nil
}

// webhook holds a body that the simulator sent against the webhooks of the
// description: the whole of it, and each of its messages.
func (j *judge) webhook(body []byte) {
	for _, message := range append(messages(j.t, body), body) {
		var of struct{ Event string }
		if first := messages(j.t, message); len(first) > 0 {
			require.NoError(j.t, json.Unmarshal(first[0], &of))
		}
		hook := j.model.Webhooks.GetOrZero(of.Event)
		if hook == nil {
			j.t.Errorf("a webhook %q", of.Event)
			continue
		}
		j.events[of.Event] = true
		schema := hook.Post.RequestBody.Content.GetOrZero("application/json").Schema.Schema()
		if problem := j.fits(schema, message); problem != "" {
			j.t.Errorf("webhook %s: %s\n%.600s", of.Event, problem, message)
		}
	}
}

// messages returns what is in a body: one message, a list, or an object with one.
func messages(t *testing.T, body []byte) (all []json.RawMessage) {
	t.Helper()
	if json.Unmarshal(body, &all) == nil {
		return all
	}
	var batch struct{ Events []json.RawMessage }
	require.NoError(t, json.Unmarshal(body, &batch))
	if batch.Events != nil {
		return batch.Events
	}
	return []json.RawMessage{body}
}
