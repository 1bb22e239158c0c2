package fleet

import (
	"slices"
	"strconv"
	"strings"
)

// Role is what a process does in a fleet, for [PermissionsFor].
type Role string

// The roles.
const (
	// RoleSetup is for [Plan.Apply] and [Fleet.Repartition].
	RoleSetup Role = "setup"
	// RoleFront is for [Front], and for nothing else.
	RoleFront Role = "front"
	// RoleWorker is for [Fleet.Work] and [Fleet.Listen].
	RoleWorker Role = "worker"
	// RoleOperator is for parked messages and for starting, watching and pausing jobs.
	RoleOperator Role = "operator"
)

// Permissions is what the engine must permit to a user.
type Permissions struct {
	Publish   []string
	Subscribe []string
}

// String returns the permissions as they stand in a configuration of NATS.
func (p Permissions) String() string {
	list := func(of []string) string {
		var out strings.Builder
		for _, subject := range of {
			out.WriteString("      " + strconv.Quote(subject) + "\n")
		}
		return out.String()
	}
	return "permissions: {\n  publish: {\n    allow: [\n" + list(p.Publish) +
		"    ]\n  }\n  subscribe: {\n    allow: [\n" + list(p.Subscribe) + "    ]\n  }\n}\n"
}

// PermissionsFor returns what the engine must permit to a process of the roles, and
// nothing more: not to remove a stream, and nothing outside the prefix but answers on
// "_INBOX.>". A connection with [nats.CustomInboxPrefix] needs that in its place.
//
// What is denied fails with [ErrDenied] and a text that names the subject.
func PermissionsFor(o Options, roles ...Role) Permissions {
	n, api := names(o.Prefix), "$JS.API."
	if o.Domain != "" {
		api = "$JS." + o.Domain + ".API."
	}
	var p Permissions
	ask := func(what string, kinds ...string) {
		before, after, _ := strings.Cut(what, "*")
		for _, kind := range kinds {
			p.Publish = append(p.Publish, api+before+n.stream(kind)+after)
		}
	}
	subject := func(tokens ...string) { p.Publish = append(p.Publish, n.subject(tokens...)) }
	p.Subscribe = []string{"_INBOX.>"}
	for _, role := range roles {
		switch role {
		case RoleSetup:
			for _, what := range []string{"STREAM.INFO.*", "STREAM.CREATE.*", "STREAM.UPDATE.*"} {
				ask(what, streamKinds...)
			}
			for _, what := range []string{"CONSUMER.INFO.*.*", "CONSUMER.CREATE.*.>"} {
				ask(what, webhookStream, jobStream)
			}
			ask("CONSUMER.NAMES.*", webhookStream)
			ask("CONSUMER.DELETE.*.*", webhookStream)
		case RoleFront:
			ask("STREAM.INFO.*", webhookStream, effectStream, largeStream)
			ask("STREAM.MSG.GET.*", effectStream)
			ask("STREAM.PURGE.*", largeStream)
			subject("webhooks", ">")
			subject("large", ">")
			subject("wake")
		case RoleWorker:
			ask("STREAM.INFO.*", streamKinds...)
			ask("CONSUMER.INFO.*.*", webhookStream, jobStream)
			ask("CONSUMER.MSG.NEXT.*.*", webhookStream, jobStream)
			ask("STREAM.MSG.GET.*", effectStream, largeStream, listStream)
			ask("STREAM.PURGE.*", largeStream)
			for _, kind := range []string{webhookStream, jobStream} {
				p.Publish = append(p.Publish, "$JS.ACK."+n.stream(kind)+".>", "$JS.ACK.*.*."+n.stream(kind)+".>")
			}
			subject("effects", ">")
			subject("parked", ">")
			subject("jobs", ">")
			subject("lists", ">")
			subject("own", ">")
			p.Subscribe = append(p.Subscribe, n.wake(), n.subject("own", ">"))
		case RoleOperator:
			ask("STREAM.INFO.*", streamKinds...)
			ask("STREAM.MSG.GET.*", parkedStream, largeStream, listStream)
			ask("STREAM.MSG.DELETE.*", parkedStream)
			ask("STREAM.PURGE.*", largeStream)
			ask("CONSUMER.INFO.*.*", jobStream)
			ask("CONSUMER.PAUSE.*.*", jobStream)
			ask("CONSUMER.CREATE.*.>", effectStream)
			ask("CONSUMER.DELETE.*.*", effectStream)
			subject("webhooks", ">")
			subject("jobs", "page", ">")
			subject("lists", ">")
			subject("own", ">")
			p.Subscribe = append(p.Subscribe, n.subject("own", ">"))
		}
	}
	slices.Sort(p.Publish)
	p.Publish = slices.Compact(p.Publish)
	slices.Sort(p.Subscribe)
	p.Subscribe = slices.Compact(p.Subscribe)
	return p
}
