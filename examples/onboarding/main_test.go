package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// environment is what a run sees of the process environment.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// ended is how a run ended.
type ended struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// play runs the program against its simulator, in no time.
func play(ctx context.Context, args ...string) ended {
	var stdout, stderr bytes.Buffer
	began := time.Now()
	code := run(ctx, args, strings.NewReader(""), &stdout, &stderr, environment{}.get)
	return ended{code, stdout.String(), stderr.String(), time.Since(began)}
}

func (e ended) summary(t *testing.T) summary {
	t.Helper()
	var got summary
	decoder := json.NewDecoder(strings.NewReader(e.stdout))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&got), e.stdout)
	require.False(t, decoder.More(), "there is more than the summary on standard output")
	return got
}

func TestSummary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := play(t.Context(), "-json")
		require.Equal(t, exitOK, end.code, end.stderr)
		require.Less(t, end.took, 10*time.Second)
		got := end.summary(t)

		require.True(t, got.Simulator)
		require.Len(t, got.Customers, 3)
		for i, want := range []struct {
			kind  string
			role  passfort.Role
			check passfort.CheckType
			task  passfort.TaskType
		}{
			{"person", passfort.RoleIndividualCustomer, passfort.CheckTypeIdentityCheck,
				passfort.TaskTypeIndividualVerifyIdentity},
			{"company", passfort.RoleCompanyCustomer, passfort.CheckTypeCompanyRegistry,
				passfort.TaskTypeCompanyVerifyIdentity},
			{"director", passfort.RoleIndividualAssociated, passfort.CheckTypeIdentityCheck,
				passfort.TaskTypeIndividualVerifyIdentity},
		} {
			c := got.Customers[i]
			require.Equal(t, want.kind, c.Kind)
			require.Equal(t, want.role, c.Role)
			require.Equal(t, passfort.ApplicationStatusApproved, c.Decision)
			require.Len(t, c.Applications, 2, want.kind)
			for _, application := range c.Applications {
				require.Equal(t, passfort.ApplicationStatusApproved, application.Status)
				require.Equal(t, passfort.ApplicationFlagDecided, application.Flag)
			}
			require.Len(t, c.Checks, 1)
			require.Equal(t, want.check, c.Checks[0].Type)
			require.Equal(t, passfort.DecisionPass, c.Checks[0].Decision)
			require.Equal(t, want.check == passfort.CheckTypeIdentityCheck, c.FellBack,
				"only the synchronous checks fall back")
			require.Equal(t, want.task, c.Tasks[0].Type)
			for _, task := range c.Tasks {
				require.Equal(t, passfort.TaskStateCompletedPass, task.State)
			}
			if want.kind == "director" {
				require.Nil(t, c.Correction)
				continue
			}
			require.Equal(t, 1, c.Correction.Conflicts, "the write met a 412")
			require.Equal(t, 2, c.Correction.Runs)
			require.True(t, c.Correction.Ours.Kept)
			require.True(t, c.Correction.Theirs.Kept)
		}
		require.Equal(t, 2, got.Conflicts)
		total := 0
		for _, n := range got.Operations {
			total += n
		}
		require.Equal(t, got.Requests, total)
		require.Equal(t, 3, got.Operations["Profiles.Create"])
		require.Equal(t, 3, got.Operations["Checks.Run"])
		require.Equal(t, 4, got.Operations["CollectedData.Replace"], "two writes, each once more after its 412")
		require.Equal(t, 2, got.Operations["CollectedData.Get"], "a 412 brings the data along")
	})
}

func TestStory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := play(t.Context())
		require.Equal(t, exitOK, end.code)
		require.Empty(t, end.stderr)
		for _, want := range []string{
			"simulator runs inside this program", "412: the portal wrote after we had read",
			"kept: email robin@new.example, by us", "kept: phone +44 20 7946 0958, by the portal",
			"RUNNING", "waiting for the check", "AUTOMATING > WAITING_ON_CHECKS > READY_FOR_DECISION", "answered 412",
		} {
			require.Contains(t, end.stdout, want)
		}
		requirePlain(t, end.stdout)
	})
}

func TestJSONKeepsTheStoryAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := play(t.Context(), "-json", "-only", "person")
		require.Len(t, end.summary(t).Customers, 1)
		require.Contains(t, end.stderr, "1. Create the profile of the person")
		requirePlain(t, end.stderr)
	})
}

// requirePlain refuses escape codes, carriage returns and long lines.
func requirePlain(t *testing.T, text string) {
	t.Helper()
	require.NotContains(t, text, "\x1b")
	require.NotContains(t, text, "\r")
	for line := range strings.SplitSeq(text, "\n") {
		require.LessOrEqual(t, utf8.RuneCountInString(line), width, line)
		require.Equal(t, strings.TrimRight(line, " "), line, "blanks at the end of a line")
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, ms := range []int{0, 20, 100, 300, 500, 900, 1600, 2000, 2600, 2900} {
		after := time.Duration(ms) * time.Millisecond
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, interrupt := context.WithTimeoutCause(t.Context(), after, context.Canceled)
				defer interrupt()
				end := play(ctx)
				require.Equal(t, exitInterrupted, end.code)
				require.Less(t, end.took, after+time.Second)
				require.Regexp(t, `^Interrupted(: .+)?\.\n$`, end.stderr)
				requirePlain(t, end.stderr)
			})
		})
	}
}

func TestLogsHoldNoData(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := play(t.Context(), "-debug")
		require.Equal(t, exitOK, end.code)
		require.Contains(t, end.stderr, "CollectedData.Replace")
		require.Contains(t, end.stderr, "412")
		for _, private := range []string{
			"sim-master-key", "Robin", "Alex", "Sampleton", "Teapots", "1990-04-12", "1984-11-02", "@", "7946",
			"Sample Street", "09999999",
		} {
			require.NotContains(t, end.stderr, private)
		}
		for _, private := range []string{"sim-master-key", "1990-04-12", "Sample Street"} {
			require.NotContains(t, end.stdout, private)
		}
		require.NotRegexp(t, `[0-9a-f]{8}-[0-9a-f]{4}-`, end.stderr, "an id")
	})
}

// account is a simulator that stands in for a real account.
func account(t *testing.T, opts ...passforttest.Option) (*passforttest.Server, environment) {
	t.Helper()
	srv := passforttest.NewServer(append([]passforttest.Option{passforttest.WithAPIKey("a-real-key-0123")}, opts...)...)
	t.Cleanup(srv.Close)
	return srv, environment{"PASSFORT_API_KEY": "a-real-key-0123", "PASSFORT_BASE_URL": srv.URL()}
}

func TestRealAccount(t *testing.T) {
	t.Parallel()
	srv, env := account(t)
	var stdout, stderr bytes.Buffer
	args := []string{"-only", "person", "-yes", "-json", "-product", "gold", "-second-product", "silver", "-variant",
		"strict"}
	code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr, env.get)
	require.Equal(t, exitOK, code, stderr.String())
	got := ended{stdout: stdout.String()}.summary(t)
	require.False(t, got.Simulator)
	require.Equal(t, "gold", got.Customers[0].Applications[0].Product)
	require.Equal(t, "silver", got.Customers[0].Applications[1].Product)
	require.Contains(t, stderr.String(), "On a live account they are charged")
	require.NotContains(t, stdout.String()+stderr.String(), "a-real-key-0123")
	require.JSONEq(t, `{"check_type":"IDENTITY_CHECK","variant":{"alias":"strict"}}`,
		string(srv.RequestsTo("Checks.Run")[0].Body))
	requirePlain(t, stderr.String())
}

func TestRealAccountNeedsAYes(t *testing.T) {
	t.Parallel()
	srv, env := account(t)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), nil, strings.NewReader("y\n"), &stdout, &stderr, env.get)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr.String(), "-yes")
	require.Contains(t, stdout.String(), "Identity checks run: 2. On a live account they are charged.")
	require.Equal(t, 1, srv.Count(""), "nothing but WhoAmI was sent")
}

// A check that does not pass leaves the application to a person.
func TestNotReady(t *testing.T) {
	t.Parallel()
	srv, env := account(t)
	srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Decision: "FAIL"})
	var stdout, stderr bytes.Buffer
	args := []string{"-only", "person", "-yes", "-json", "-patience", "50ms"}
	require.Equal(t, exitOK, run(t.Context(), args, nil, &stdout, &stderr, env.get), stderr.String())
	c := ended{stdout: stdout.String()}.summary(t).Customers[0]
	require.Equal(t, passfort.ApplicationStatusApplied, c.Decision)
	require.Equal(t, passfort.DecisionFail, c.Checks[0].Decision)
	require.Contains(t, stderr.String(), "INCOMPLETE_TASK INDIVIDUAL_VERIFY_IDENTITY")
	require.Zero(t, srv.Count("Applications.SetStatus"))
}

func TestHelpfulErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args  []string
		env   environment
		fault passforttest.Fault
		code  int
		want  []string
	}{
		"wrong key": {nil, environment{"PASSFORT_API_KEY": "wrong"}, passforttest.Fault{}, exitFailed,
			[]string{"WhoAmI", "Check PASSFORT_API_KEY"}},
		"unreadable key": {nil, environment{"PASSFORT_API_KEY": "a b"}, passforttest.Fault{}, exitFailed,
			[]string{"Check PASSFORT_API_KEY"}},
		"bad address": {nil, environment{"PASSFORT_BASE_URL": "api.example"}, passforttest.Fault{}, exitFailed,
			[]string{"PASSFORT_BASE_URL"}},
		"nothing listens": {nil, environment{"PASSFORT_BASE_URL": "http://127.0.0.1:1/4.0"}, passforttest.Fault{},
			exitFailed, []string{"No answer came"}},
		"unknown product": {nil, nil, passforttest.Fault{Operation: "Profiles.Create", Status: 400}, exitFailed,
			[]string{"Failed: Create the profile", "-second-product"}},
		"lost answer": {nil, nil, passforttest.Fault{Operation: "Profiles.Create", DropAfterWrite: true},
			exitFailed, []string{"may have been done"}},
		"forbidden": {nil, nil, passforttest.Fault{Operation: "WhoAmI", Status: 403}, exitFailed,
			[]string{"permission"}},
		"unknown flag": {[]string{"-nope"}, nil, passforttest.Fault{}, exitUsage, []string{"-nope"}},
		"the same products": {[]string{"-product", "x", "-second-product", "x"}, nil, passforttest.Fault{}, exitUsage,
			[]string{"the same"}},
		"neither of two": {[]string{"-only", "dog"}, nil, passforttest.Fault{}, exitUsage,
			[]string{"person or company"}},
		"help": {[]string{"-help"}, nil, passforttest.Fault{}, exitOK, []string{"PASSFORT_API_KEY", "-second-product"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, env := account(t)
			if c.fault.Operation != "" {
				srv.Inject(c.fault)
			}
			for k, v := range c.env {
				env[k] = v
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var stdout, stderr bytes.Buffer
			code := run(ctx, append([]string{"-yes"}, c.args...), nil, &stdout, &stderr, env.get)
			require.Equal(t, c.code, code, stderr.String())
			for _, want := range c.want {
				require.Contains(t, strings.Join(strings.Fields(stderr.String()), " "), want)
			}
			requirePlain(t, stderr.String())
		})
	}
}

func TestProgressLine(t *testing.T) {
	t.Parallel()
	var screen strings.Builder
	p := &printer{w: &screen, live: true}
	p.progress("waiting for the check: question %d", 10)
	p.progress("waiting")
	p.note("done")
	require.Equal(t, "\r   waiting for the check: question 10"+"\r   waiting"+strings.Repeat(" ", 27)+"\r"+
		strings.Repeat(" ", 10)+"\r   done\n", screen.String())
	screen.Reset()
	p.colour = true
	p.good("kept")
	require.Equal(t, "\x1b[32m   kept\x1b[0m\n", screen.String())
	screen.Reset()
	p.progress("%s", strings.Repeat("x", 200))
	p.end()
	require.LessOrEqual(t, len(screen.String()), width+len("\r\x1b[2m\x1b[0m\n"))
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "short", strings.Repeat("word ", 40), "   " + strings.Repeat("many words, ", 30),
		strings.Repeat("é", 80) + " end"} {
		for _, line := range wrap(text, "   ") {
			require.LessOrEqual(t, utf8.RuneCountInString(line), width)
		}
		require.Equal(t, strings.Fields(text), strings.Fields(strings.Join(wrap(text, "   "), " ")), "%q", text)
	}
}
