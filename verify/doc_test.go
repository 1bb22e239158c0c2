package verify_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/verify"
)

// probesTable is the table of docs/verify.md.
func probesTable() string {
	var b strings.Builder
	for _, p := range verify.Probes() {
		name := ""
		if p.Switch != "" {
			name = "`" + p.Switch + "`"
		}
		fmt.Fprintf(&b, "| [`%s`](%s) | %s | %s | %s |\n", p.Name, strings.TrimPrefix(p.Page, "docs/"), p.Tier,
			p.Belief, name)
	}
	return strings.ReplaceAll(b.String(), "|  |\n", "| |\n")
}

// The table of docs/verify.md is the table of probes. PASSFORT_UPDATE=1 writes it.
func TestPageHasEveryProbe(t *testing.T) {
	t.Parallel()
	const path = "../docs/verify.md"
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(raw), "| Probe | Tier | Belief | Switch |\n| --- | --- | --- | --- |\n")
	require.True(t, found)
	table, after, found := strings.Cut(rest, "\n## ")
	require.True(t, found)
	if os.Getenv("PASSFORT_UPDATE") != "" {
		whole := before + "| Probe | Tier | Belief | Switch |\n| --- | --- | --- | --- |\n" + probesTable() +
			"\n## " + after
		require.NoError(t, os.WriteFile(path, []byte(whole), 0o600))
		return
	}
	require.Equal(t, probesTable(), table)
}

func TestProbesAreWhole(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, p := range verify.Probes() {
		require.Regexp(t, `^[a-z]+(-[a-z0-9]+)*$`, p.Name)
		require.False(t, names[p.Name], p.Name)
		names[p.Name] = true
		require.NotEmpty(t, p.Belief, p.Name)
		require.NotEmpty(t, p.Asks, p.Name)
		require.Regexp(t, `^docs/api/[a-z-]+\.md#`, p.Page, p.Name)
		if p.Switch != "" {
			require.NotEmpty(t, p.Means, p.Name)
		}
	}
}

// seenRows says which probe sees a row of docs/certainty.md or a disagreement of
// docs/api. What none sees stands in docs/verify.md.
var seenRows = map[string]string{
	// docs/certainty.md
	"Paths, methods, the `apikey` header":                   "whoami",
	"ETag, `If-Match` and 412 on collected data":            "stale-status",
	"Names of fields as of 2019":                            "unknown-members",
	"Newer fields":                                          "unknown-members",
	"Values of enums":                                       "checks",
	"A refusal with status 200":                             "errors-in-200",
	"Statuses and bodies of most refusals":                  "error-status",
	"Rate limits and their headers":                         "rate-limit-headers",
	"120 s limit of a check in `sync` mode":                 "check-sync",
	"Customer requests: creation and its answer":            "request-key",
	"Reading back images":                                   "image-content",
	"Deleting a profile, the audit report":                  "delete",
	"Webhooks: the secret, the envelope, retries until 200": "webhook-secret",
	"Webhooks: order":                                       "webhook-order",
	"Webhooks: the shape of a batch":                        "batch-shape",
	"Webhooks: names and payloads":                          "event-names",
	// docs/api/disagreements.md
	"Reading a file":                            "file-by-post",
	"Order of webhooks":                         "webhook-order",
	"After a 412":                               "stale-data",
	"Reverting a decision":                      "revert",
	"An approved application":                   "approved-review",
	"Completing a task":                         "approved-review",
	"The next version of a task":                "next-version",
	"`is_expired` of the old version meanwhile": "expired-early",
	"`required_tasks[].id`":                     "required-tasks",
	"Status of a creation":                      "created-status",
	"Roles":                                     "profile-form",
	"`errors`":                                  "error-shape",
	"Errors and statuses":                       "errors-in-200",
	"Who am I":                                  "whoami",
	"Reading images":                            "image-content",
	"Collected data *updated* or *changed*":     "data-event",
	"ETag":                                      "etag-quotes",
	"Wait after a 429":                          "rate-limit-retry",
	"Regions":                                   "host",
	"Form of a new customer request's key":      "request-key",
}

// unseenSection is what docs/verify.md says of what no probe can see.
func unseenSection(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/verify.md")
	require.NoError(t, err)
	_, unseen, found := strings.Cut(string(page), "## What no probe can see")
	require.True(t, found)
	return unseen
}

func TestEveryBeliefHasAProbe(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, p := range verify.Probes() {
		names[p.Name] = true
	}
	unseen := unseenSection(t)
	row := regexp.MustCompile(`(?m)^\| ([^|]+) \|`)
	for path, until := range map[string]string{"../docs/certainty.md": "## ",
		"../docs/api/disagreements.md": "## Malformed"} {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		text, _, _ := strings.Cut(string(raw), until)
		rows := row.FindAllStringSubmatch(text, -1)
		require.Greater(t, len(rows), 10, path)
		for _, cells := range rows {
			subject := strings.TrimSpace(cells[1])
			switch {
			case subject == "Part", subject == "Subject", subject == "The current API reference",
				strings.HasPrefix(subject, "---"):
			case seenRows[subject] != "":
				require.True(t, names[seenRows[subject]], subject)
			default:
				require.Contains(t, strings.ToLower(unseen), strings.ToLower(subject), path)
			}
		}
	}
}
