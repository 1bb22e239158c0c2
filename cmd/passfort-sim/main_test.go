package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

const asProgram = "PASSFORT_SIM_TEST_AS_PROGRAM"

// TestMain is the program itself when a test starts this binary to kill it.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	if os.Getenv(asUser) != "" {
		if err := use(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// logged is a log that is written and read at once.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type program struct {
	base string // base URL of the API
	log  *logged
	stop func() error
}

// begin runs the program inside the test.
func begin(t *testing.T, env map[string]string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	p := &program{log: &logged{}}
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), func(k string) string {
			return env[k]
		}, in, p.log)
		_ = in.CloseWithError(io.EOF)
		ended <- err
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(<-ended)
	}
	p.base = strings.TrimSpace(line)
	p.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = p.stop() })
	return p
}

func (p *program) client(t *testing.T, key string) *passfort.Client {
	t.Helper()
	c, err := passfort.New(key, passfort.WithBaseURL(p.base))
	require.NoError(t, err)
	return c
}

func (p *program) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(p.base, "/4.0")+path, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, string(body)
}

func person(name string) *passfort.ProfileRequest {
	data := passfort.NewIndividual()
	data.PersonalDetails = &passfort.PersonalDetails{Name: &passfort.FullName{FamilyName: name}}
	return &passfort.ProfileRequest{Role: passfort.RoleIndividualCustomer, CollectedData: data}
}

func TestServes(t *testing.T) {
	t.Parallel()
	p := begin(t, map[string]string{"PASSFORT_SIM_API_KEY": "from-the-environment"})
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/4\.0$`, p.base)
	who, err := p.client(t, "from-the-environment").WhoAmI(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, who.AuditeeName)
	_, err = p.client(t, "another").WhoAmI(t.Context())
	require.ErrorIs(t, err, passfort.ErrUnauthorized)
	for path, want := range map[string]int{
		"/healthz": 200, "/_sim/": 200, "/embed.js": 200, "/4.0": 401, "/4.0/whoami": 401, "/4.0//whoami": 401,
		"/nothing": 404,
	} {
		got, _ := p.get(t, path)
		require.Equal(t, want, got, path)
	}
	require.NoError(t, p.stop())
}

func TestLogHoldsNothingPrivate(t *testing.T) {
	t.Parallel()
	p := begin(t, nil, "-api-key", "canary-key")
	c := p.client(t, "canary-key")
	made, err := c.Profiles.Create(t.Context(), person("Canaryson"))
	require.NoError(t, err)
	_, err = c.Profiles.List(t.Context(), &passfort.ProfileListOptions{Query: "Canaryson"})
	require.NoError(t, err)
	_, err = c.Tags.Search(t.Context(), "Canaryson", 0)
	require.NoError(t, err)
	p.get(t, "/4.0/profiles/Canaryson?apikey=canary-key")
	require.NoError(t, p.stop())
	log := p.log.String()
	for _, secret := range []string{"canary", "Canaryson", made.ID, "127.0.0.1"} {
		require.NotContains(t, log, secret)
	}
	lines := strings.Split(strings.TrimSpace(log), "\n")
	require.Len(t, lines, 1+4+1)
	for _, line := range lines {
		require.True(t, json.Valid([]byte(line)), line)
	}
	require.Contains(t, lines[1], `"operation":"Profiles.Create","method":"POST","status":200`)
}

func TestStateOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	p := begin(t, nil, "-state", file, "-api-key", "first")
	made, err := p.client(t, "first").Profiles.Create(t.Context(), person("Doe"))
	require.NoError(t, err)
	require.NoError(t, p.stop())

	p = begin(t, nil, "-state", file, "-api-key", "second")
	got, err := p.client(t, "second").Profiles.Get(t.Context(), made.ID)
	require.NoError(t, err)
	require.Equal(t, "Doe", got.CollectedData.PersonalDetails.Name.FamilyName)
	_, err = p.client(t, "first").WhoAmI(t.Context())
	require.ErrorIs(t, err, passfort.ErrUnauthorized, "a key of an earlier start is gone")
	require.NoError(t, p.stop())
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "second", "the master key is in the file")
}

func TestMadeUpProfiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	var first string
	for range 2 {
		p := begin(t, nil, "-state", file, "-profiles", "30", "-seed", "5")
		page, err := p.client(t, "sim-master-key").Profiles.List(t.Context(), &passfort.ProfileListOptions{
			Query: "holdings",
		})
		require.NoError(t, err)
		require.Equal(t, 3, *page.Count)
		require.Empty(t, page.Results[0].CollectedData.Validate())
		if first == "" {
			first = page.Results[0].ID
		}
		require.Equal(t, first, page.Results[0].ID, "the state has them already")
		require.NoError(t, p.stop())
	}
}

func TestStopsWhileACallIsUnderWay(t *testing.T) {
	t.Parallel()
	p := begin(t, nil, "-check-time", "1s")
	c := p.client(t, "sim-master-key")
	made, err := c.Profiles.Create(t.Context(), person("Doe"))
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := c.Checks.Run(t.Context(), made.ID, &passfort.CheckRequest{
			Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeSync,
		})
		done <- err
	}()
	require.Eventually(t, func() bool {
		checks, err := c.Checks.List(t.Context(), made.ID)
		return err == nil && len(checks) == 1
	}, time.Minute, time.Millisecond)
	require.NoError(t, p.stop())
	require.NoError(t, <-done)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "world.json")
	require.NoError(t, os.WriteFile(file, []byte(`{
		"products": [{"alias": "gold", "auto_apply": true,
			"tasks": [{"type": "INDIVIDUAL_VERIFY_IDENTITY", "checks": ["IDENTITY_CHECK"]}]}],
		"switches": {"CreatedStatus": true}}`), 0o600))
	p := begin(t, nil, "-config", file, "-seed", "7", "-no-rate-limits", "-log-level", "ERROR")
	var answer passfort.Response
	made, err := p.client(t, "sim-master-key").Profiles.Create(t.Context(), person("Doe"),
		passfort.CaptureResponse(&answer))
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, answer.StatusCode)
	require.Equal(t, "gold", made.Applications[0].Product.Alias)
	require.NoError(t, p.stop())
	require.Empty(t, p.log.String())
}

// The schema that is printed is the one the file is held to, and has every switch.
func TestConfigSchema(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-config-schema"}, func(string) string {
		return ""
	}, &out, io.Discard))
	var schema rule
	require.NoError(t, json.Unmarshal(out.Bytes(), &schema))
	fields := reflect.VisibleFields(reflect.TypeFor[passforttest.Switches]())
	require.Len(t, schema.Defs["switches"].Properties, len(fields))
	for _, f := range fields {
		require.Contains(t, schema.Defs["switches"].Properties, snake(f.Name))
	}
	for name, typ := range map[string]reflect.Type{
		"product": reflect.TypeFor[passforttest.Product](), "task": reflect.TypeFor[passforttest.ProductTask](),
		"flow":    reflect.TypeFor[passforttest.Flow](),
		"company": reflect.TypeFor[passforttest.Company](), "outcome": reflect.TypeFor[outcome](),
	} {
		for _, f := range reflect.VisibleFields(typ) {
			if member, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.IsExported() {
				require.Contains(t, schema.Defs[name].Properties, member, "%s: %s", name, f.Name)
			}
		}
	}
}

func TestConfigOutcomes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "world.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"$schema": "config.schema.json", "profiles": 10,
		"products": [{"alias": "gold", "expires_after": "720h",
			"tasks": [{"type": "INDIVIDUAL_MANUAL_TASK", "expires_after": "1h30m"}]}],
		"outcomes": {"IDENTITY_CHECK": [{"decision": "FAIL", "after": "1ms", "output": {"n": 1}}]},
		"switches": {"list_order": "newest_first", "errors_in_ok": false, "batch_shape": "single"}}`), 0o600))
	p := begin(t, nil, "-config", file)
	c := p.client(t, "sim-master-key")
	page, err := c.Profiles.List(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, page.Results, 10)
	require.Equal(t, passfort.RoleCompanyCustomer, page.Results[0].Role, "the newest first")
	check, err := c.Checks.RunAndWait(t.Context(), page.Results[9].ID,
		&passfort.CheckRequest{Type: passfort.CheckTypeIdentityCheck}, nil)
	require.NoError(t, err)
	require.Equal(t, passfort.DecisionFail, check.Decision)
	require.JSONEq(t, `{"n":1}`, string(check.OutputData))
}

func TestConfigSaysWhere(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ config, want string }{
		"no JSON":        {"{\n  \"products\": [\n    oops]}", "line 3, column 5"},
		"two values":     {`{} {}`, "more than one"},
		"unknown member": {`{"product": []}`, `/: has a member that is not known: "product"`},
		"wrong type": {`{"products": [{"alias": "a"}, {"alias": 5}]}`,
			"/products/1/alias: is not of the type string"},
		"missing": {`{"products": [{}]}`, "/products/0: has no alias"},
		"a bare duration": {`{"products": [{"alias": "a", "expires_after": 1000}]}`,
			"/products/0/expires_after: is not a duration"},
		"a negative one": {`{"flows": [{"alias": "a", "lifetime": "-1h"}]}`,
			"/flows/0/lifetime: is not a duration"},
		"unknown value": {`{"switches": {"list_order": "by name"}}`,
			"/switches/list_order: is not one of oldest_first"},
		"unknown switch": {`{"switches": {"fast": true}}`, `/switches: has a member that is not known: "fast"`},
		"outcome": {`{"outcomes": {"IDENTITY_CHECK": [{"decision": "MAYBE"}]}}`,
			"/outcomes/IDENTITY_CHECK/0/decision: is not one of"},
		"a number below":     {`{"profiles": -1}`, "/profiles: is not of the type integer"},
		"a broken number":    {`{"profiles": 1.5}`, "/profiles: is not of the type integer"},
		"null":               {`null`, "/: is not of the type object"},
		"an alias in a case": {`{"products": [{"Alias": "a"}]}`, "/products/0: has no alias"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "world.json")
			require.NoError(t, os.WriteFile(file, []byte(row.config), 0o600))
			_, err := readConfig(file)
			require.ErrorContains(t, err, "-config: ")
			require.ErrorContains(t, err, row.want)
		})
	}
}

// A word of an outcome or a product that the simulator does not know is a mistake in the file,
// and no crash.
func TestConfigOfUnknownWords(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ config, want string }{
		"check type": {`{"outcomes": {"IDENTITY_CHEK": [{"decision": "PASS"}]}}`,
			"-config: /outcomes/IDENTITY_CHEK: there is no check type"},
		"result": {`{"outcomes": {"GEOCODING": [], "IDENTITY_CHECK": [{"result": "pass"}]}}`,
			`-config: /outcomes/IDENTITY_CHECK: there is no result "pass"`},
		"check of a product": {`{"products": [{"alias": "a", "tasks": []}, {"alias": "b",
			"tasks": [{"type": "INDIVIDUAL_VERIFY_IDENTITY", "checks": ["IDENTITY_CHEK"]}]}]}`,
			`-config: /products/1: there is no check type "IDENTITY_CHEK"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "world.json")
			require.NoError(t, os.WriteFile(file, []byte(row.config), 0o600))
			err := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-config", file}, func(string) string {
				return ""
			}, io.Discard, io.Discard)
			require.ErrorContains(t, err, row.want)
			require.ErrorContains(t, err, "did you mean")
		})
	}
}

func TestWhatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	damaged := filepath.Join(dir, "damaged")
	require.NoError(t, os.WriteFile(damaged, []byte("something else entirely"), 0o600))
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"everyone, without a key": {[]string{"-addr", ":0"}, nil, "-api-key is needed"},
		"no port":                 {[]string{"-addr", "localhost"}, nil, "not host:port"},
		"webhook without secret":  {[]string{"-webhook", "http://127.0.0.1/hook"}, nil, "needs -webhook-secret"},
		"webhook is no URL":       {[]string{"-webhook", "hook", "-webhook-secret", "s"}, nil, "not a URL"},
		"arguments":               {[]string{"serve"}, nil, "no arguments"},
		"environment":             {nil, map[string]string{"PASSFORT_SIM_SEED": "x"}, "PASSFORT_SIM_SEED"},
		"damaged state":           {[]string{"-state", damaged}, nil, "damaged"},
		"no such config":          {[]string{"-config", filepath.Join(dir, "none")}, nil, "no such file"},
		"config is no JSON":       {[]string{"-config", damaged}, nil, "-config"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), c.args, func(k string) string { return c.env[k] }, io.Discard, io.Discard)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestLikeAnAccount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"read.json": `{"findings": [{"switch": "ErrorsInOK", "verdict": "differs"},
			{"switch": "ListOrder", "verdict": "not seen"},
			{"switch": "BatchShape", "verdict": "not tried"}], "products": [{"alias": "gold", "tasks": []}]}`,
		"listen.json": `{"findings": [{"switch": "BatchShape", "verdict": "differs", "value": "BatchObject"}]}`,
		"odd.json":    `[]`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	p := begin(t, nil, "-like", filepath.Join(dir, "read.json")+","+filepath.Join(dir, "listen.json"))
	_, err := p.client(t, "sim-master-key").Profiles.Get(t.Context(), "missing")
	var failed *passfort.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, http.StatusOK, failed.StatusCode)
	require.Contains(t, p.log.String(), `"not_seen":["ListOrder"]`)
	for _, name := range []string{"odd.json", "none.json"} {
		err := run(t.Context(), []string{"-like", filepath.Join(dir, name)}, func(string) string {
			return ""
		}, io.Discard, io.Discard)
		require.ErrorContains(t, err, "-like")
	}
}
