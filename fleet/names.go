package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"

	"github.com/passfort-go/passfort"
)

// The streams, each behind the prefix and an underscore, and what travels on them.
const (
	// webhookStream holds the messages that were answered with 200 and not yet
	// handled: <prefix>.webhooks.<partitions>.<partition>.
	webhookStream = "WEBHOOKS"
	// largeStream holds, in parts, the messages that are larger than the engine
	// takes: <prefix>.large.webhook.<profile>.<message>.<content>.<part>.
	largeStream = "LARGE"
	// effectStream is the table of effects. Each subject is written once:
	// <prefix>.effects.webhook.<profile>.<message>, <prefix>.effects.job.<job>.<profile>
	// and <prefix>.effects.note.<job>.<profile>.
	effectStream = "EFFECTS"
	// parkedStream holds messages that kept failing, for a person to look at:
	// <prefix>.parked.<sequence>.<content>.
	parkedStream = "PARKED"
	// jobStream is the work of jobs: <prefix>.jobs.page.<job> and
	// <prefix>.jobs.item.<job>.<profile>.
	jobStream = "JOBS"
	// listStream has, for each job, how far it was listed: <prefix>.lists.<job>.
	listStream = "LISTS"

	pagesConsumer = "pages"
	itemsConsumer = "items"

	partitionsKey = "fleet_partitions"
)

// streamKinds are all streams. Workers start when they see that of the webhooks, so
// what it needs is made before it.
var streamKinds = []string{largeStream, effectStream, parkedStream, jobStream, listStream, webhookStream}

// names makes the names of a fleet out of its prefix.
type names string

func (n names) stream(kind string) string { return string(n) + "_" + kind }

func (n names) subject(tokens ...string) string { return string(n) + "." + strings.Join(tokens, ".") }

// wake carries hints for waits, without any promise.
func (n names) wake() string { return n.subject("wake") }

// The number of partitions is part of the subjects and of the names of consumers: a
// process that has missed a change of it is refused by the engine, and strands nothing.
func partitionConsumer(p, of int) string { return fmt.Sprintf("webhooks-%d-%03d", of, p) }

func (n names) partition(p, of int) string {
	return n.subject("webhooks", fmt.Sprint(of), fmt.Sprint(p))
}

func (n names) partitions(of int) string { return n.subject("webhooks", fmt.Sprint(of), "*") }

// moving is the only subject of the webhooks' stream while the number of partitions
// changes: the engine then takes no webhook.
func (n names) moving() string { return n.subject("webhooks", "moving") }

// webhookEffect is the subject of the record of a message.
func (n names) webhookEffect(e *passfort.WebhookEvent) string {
	return n.subject("effects", "webhook", token(e.ProfileID), token(e.Key()))
}

// parts is the subject of the parts of a large message, without what follows.
func (n names) parts(effect string) string {
	return n.subject("large", strings.TrimPrefix(effect, n.subject("effects.")))
}

// partition returns where the messages of a profile go.
func partition(profileID string, partitions int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(profileID))
	return int(h.Sum32() % uint32(partitions)) //nolint:gosec // it is positive and small: see MaxPartitions
}

var plainToken = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// token makes an id one token of a subject. An id is a UUID; what is not as
// plain, or empty, becomes a hash.
func token(id string) string {
	if plainToken.MatchString(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256-" + hex.EncodeToString(sum[:])
}
