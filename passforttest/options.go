package passforttest

import (
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/passfort-go/passfort/verify"
)

// Option configures a Server.
type Option func(*config)

type config struct {
	rules

	delivery deliverySettings
	limits   map[string]RateLimit

	recordLimit int
	recordBytes int
	bodyLimit   int64

	logger *slog.Logger
	hosts  []string
}

func defaults() config {
	return config{
		rules: rules{
			apiKey: "sim-master-key", apiKeyName: "Simulator key", institution: "Simulated Institution",
			clock:     systemClock{},
			checkTime: 40 * time.Millisecond, syncLimit: 120 * time.Second, automationTime: 10 * time.Millisecond,
			waterfalls: map[string][]string{},
			pageSize:   50, imageLimit: 50 << 20,
		},
		delivery: deliverySettings{
			pace: 200 * time.Millisecond, shortest: 50 * time.Millisecond, longest: 2 * time.Second, batch: 100,
		},
		limits: map[string]RateLimit{
			"Profiles.Create": {Requests: 10_000, Per: time.Hour},
			opReplace:         {Requests: 10_000, Per: time.Hour},
			"Audit.PDFReport": {Requests: 3, Per: 4 * time.Second, Burst: 1},
		},
		recordLimit: 20_000, recordBytes: 64 << 10,
		bodyLimit: 32 << 20,
	}
}

// WithAPIKey sets the master key the server accepts.
func WithAPIKey(key string) Option { return func(c *config) { c.apiKey = key } }

// WithAPIKeyName sets the name of the master key: it appears in WhoAmI, audit
// items and webhooks.
func WithAPIKeyName(name string) Option { return func(c *config) { c.apiKeyName = name } }

// WithInstitution sets the name WhoAmI gives for the institution.
func WithInstitution(name string) Option { return func(c *config) { c.institution = name } }

// WithClock sets the server's time. On a ManualClock that nothing moves, a check in sync
// mode is held without end: see ManualClock.AutoAdvance.
func WithClock(clock Clock) Option { return func(c *config) { c.clock = clock } }

// WithSeed makes ids, keys and everything else that is random follow from
// seed: the same calls in the same order give the same ids.
func WithSeed(seed uint64) Option { return func(c *config) { c.seed = &seed } }

// WithSwitches sets the server's switches.
func WithSwitches(sw Switches) Option { return func(c *config) { c.switches = sw } }

// WithProducts configures products. A word in one that does not exist, such as a task
// or check type, panics. A product with another alias is made
// when it is asked for, with the default tasks.
func WithProducts(products ...Product) Option {
	for _, p := range products {
		p.check()
	}
	return func(c *config) { c.products = append(c.products, products...) }
}

// WithFlows configures the flow templates of customer requests. One
// with another alias is made when it is asked for, with the default forms.
func WithFlows(flows ...Flow) Option {
	return func(c *config) { c.flows = append(c.flows, flows...) }
}

// WithCompanies sets what a company search can find.
func WithCompanies(companies ...Company) Option {
	return func(c *config) { c.companies = append(c.companies, companies...) }
}

// WithPageSize sets how many profiles a page of Profiles.List has unless a limit is
// sent: 1 to 200. Default 50.
func WithPageSize(n int) Option { return func(c *config) { c.pageSize = min(max(n, 1), 200) } }

// WithCheckTime sets how long a provider takes for a check, unless its Outcome
// says otherwise. Default 40 ms.
func WithCheckTime(d time.Duration) Option { return func(c *config) { c.checkTime = d } }

// WithSyncLimit sets how long a check in sync mode may take before it becomes asynchronous. Default
// 120 s (docs/api/checks.md#modes-and-waiting).
func WithSyncLimit(d time.Duration) Option { return func(c *config) { c.syncLimit = d } }

// WithSyncHold sets how long a call in sync mode is held before it is answered
// with an unfinished check. Default: the sync limit.
func WithSyncHold(d time.Duration) Option { return func(c *config) { c.syncHold = d } }

// WithAutomationTime sets how long a new application stays AUTOMATING.
// Default 10 ms.
func WithAutomationTime(d time.Duration) Option { return func(c *config) { c.automationTime = d } }

// WithChargeableLimit makes every check after the nth fail with code 104.
// Zero, the default, is no limit.
func WithChargeableLimit(n int) Option { return func(c *config) { c.chargeable = n } }

// WithWaterfall makes checks of a type go on to the next of the variants, by
// alias, when one comes to FAIL, ERROR or PARTIAL. It stays one check, with the
// variant and the outcome of the last, and is charged for each (a guess).
func WithWaterfall(checkType string, variants ...string) Option {
	mustBeCheckType(checkType)
	return func(c *config) { c.waterfalls[checkType] = variants }
}

// RateLimit is a quota of Requests for each span of time Per, of which Burst
// may be used at once. Burst 0 is Requests.
type RateLimit struct {
	Requests int
	Per      time.Duration
	Burst    int
}

// WithRateLimit limits one operation. By default Profiles.Create and CollectedData.Replace allow
// 10,000 requests an hour and Audit.PDFReport 0.75 a second (docs/api/basics.md#rate-limits).
func WithRateLimit(operation string, limit RateLimit) Option {
	mustBe("operation", operation, Operations())
	return func(c *config) { c.limits[operation] = limit }
}

// WithoutRateLimits lifts every rate limit.
func WithoutRateLimits() Option { return func(c *config) { clear(c.limits) } }

// WithRecorder sets how many requests Requests keeps, the newest ones, and how
// many bytes of each body. Defaults 20,000 and 64 KiB.
func WithRecorder(requests, bodyBytes int) Option {
	return func(c *config) { c.recordLimit, c.recordBytes = requests, bodyBytes }
}

// WithImageLimit sets the largest image or file in bytes. Default 50 MiB.
func WithImageLimit(bytes int64) Option { return func(c *config) { c.imageLimit = bytes } }

// WithWebhookPace sets the time between two batches. Default 200 ms.
func WithWebhookPace(d time.Duration) Option { return func(c *config) { c.delivery.pace = d } }

// WithWebhookBatchSize sets how many messages a batch holds at most. Default 100
// (docs/api/webhooks.md#delivery).
func WithWebhookBatchSize(n int) Option { return func(c *config) { c.delivery.batch = n } }

// WithWebhookBackoff sets the shortest and the longest time before a delivery
// that was not answered with 200 is tried again. Defaults 50 ms and 2 s.
func WithWebhookBackoff(shortest, longest time.Duration) Option {
	return func(c *config) { c.delivery.shortest, c.delivery.longest = shortest, longest }
}

// WithWebhookClient sets the HTTP client that delivers webhooks.
func WithWebhookClient(hc *http.Client) Option { return func(c *config) { c.delivery.client = hc } }

// WithWebhookShuffle delivers the messages that are waiting in random order.
func WithWebhookShuffle() Option { return func(c *config) { c.delivery.shuffle = true } }

// WithWebhookDuplicates delivers an acknowledged message again with the given
// probability, from 0 to less than 1: with 1 the deliveries would never end.
func WithWebhookDuplicates(probability float64) Option {
	if !(probability >= 0 && probability < 1) {
		panic("passforttest: the probability of a duplicate is at least 0 and less than 1: with 1 the deliveries " +
			"never end")
	}
	return func(c *config) { c.delivery.repeated = probability }
}

// WithLogger logs every call: operation, method, status, duration and request
// id. Paths, queries, bodies, headers and keys are never logged. Default:
// silence.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

// Like makes the server answer as an account did when verify.Run or a
// verify.Listener made the report: it sets the switches and the size of a page
// that were seen, and the products with the tasks that they require. A product whose
// alias is not in the report is called "product-1", "product-2" and so on.
//
// What was not seen stays as it is; verify.Report.Unseen has its switches. Several
// reports may be given, each as an option of its own. A nil report and switches that
// this version does not have change nothing.
func Like(report *verify.Report) Option {
	return func(c *config) {
		if report == nil {
			return
		}
		for _, f := range report.Findings {
			c.switches.set(f)
			if n, err := strconv.Atoi(f.Value); err == nil && f.Probe == "page-default" {
				WithPageSize(n)(c)
			}
		}
		for i, p := range report.Products {
			product := Product{Alias: p.Alias, Tasks: []ProductTask{}}
			if product.Alias == "" {
				product.Alias = fmt.Sprintf("product-%d", i+1)
			}
			for _, kind := range p.Tasks {
				product.Tasks = append(product.Tasks, ProductTask{Type: kind})
			}
			c.products = append(c.products, product)
		}
	}
}

// set sets a switch to what was found.
func (sw *Switches) set(f verify.Finding) {
	differs := f.Verdict == verify.Differs
	if f.Switch == "" || !differs && f.Verdict != verify.Confirmed {
		return
	}
	field := reflect.ValueOf(sw).Elem().FieldByName(f.Switch)
	switch {
	case !field.IsValid():
	case !differs:
		field.SetZero()
	case field.Kind() == reflect.Bool:
		field.SetBool(true)
	case field.Kind() == reflect.String && isEventName(f.Value):
		field.SetString(f.Value)
	case field.Kind() == reflect.Int:
		values := map[string]int64{
			"NewestFirst": int64(NewestFirst), "Shuffled": int64(Shuffled),
			"BatchObject": int64(BatchObject), "BatchSingle": int64(BatchSingle),
		}
		if n, known := values[f.Value]; known {
			field.SetInt(n)
		}
	}
}

// isEventName reports whether a text could be the name of an event.
func isEventName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}
