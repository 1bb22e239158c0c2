// Package passforttest is a Passfort you can run inside a test: a stateful
// simulator of the Passfort 4.0 API that speaks HTTP.
//
//	srv := passforttest.NewServer()
//	defer srv.Close()
//	client := srv.Client()
//
// It keeps profiles, collected data with weak ETags, product applications with
// tasks, checks that take time, files and document images, findings, customer
// requests and webhooks, and derives flags and approval blockers from them.
// Data a caller sends is kept as the JSON it was: unknown members, explicit
// nulls, empty strings and long numbers come back as they went in.
//
// # Time
//
// Everything that takes time follows one clock ([WithClock]): checks become
// PENDING, RUNNING and COMPLETE on their own, customer requests expire, rate
// limits refill. State that is due is worked out when it is read, so a
// server without a webhook runs no background work. [Server.AdvanceClock]
// moves time forward. With the default clock the server also works inside a
// testing/synctest bubble: create it there with [New] and use
// [Server.Transport].
//
// # Faults and switches
//
// [Server.Inject] makes the next calls of one operation fail in a chosen way,
// before or after the simulator applied them. [Switches] decide the points in
// which sources about the real API disagree.
//
// # Looking at what happened
//
// [Server.Requests] is what the server saw, [RecordedRequest.Applied] whether
// it carried it out, whatever answer was sent or lost. [Server.AssertApplied]
// with 1 says that a write happened, and happened once.
// [Server.AdminHandler] shows the state to a person.
//
// # Keeping the state
//
// [Server.Snapshot] and [Server.Restore] save and load it as JSON.
// [Server.KeepIn] keeps every change in a [Journal] before the answer leaves:
// cmd/passfort-sim does so with a file.
//
// # How faithful it is
//
// The real API could not be called while this was written. What the simulator
// does comes from published guides and descriptions; where those say nothing
// (most statuses of refused calls, several webhook payloads, the shape of a
// batch) it does something plain, and the documentation of the switch or
// option says so. docs/simulator.md lists all of it, with sources, certainty and
// switches.
package passforttest
