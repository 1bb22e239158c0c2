// Package verify finds out in what an account differs from what this SDK believes
// about the Passfort API.
//
// Much of what is public about the API is old, and sources disagree; accounts
// differ too. Each belief is a [Probe] that asks the account and judges the answer:
//
//	report, err := verify.Run(ctx, client, verify.Options{})
//	if err != nil {
//		return err
//	}
//	return report.WriteText(os.Stdout)
//
// # Tiers
//
// A [Tier] says how far a run may go. [TierRead], the default, makes nothing but
// GET requests, at most 60 of them and two a second. [TierCareful] also makes
// writes that change no data of the profile that is named. [TierDemo] makes a
// profile of its own, for an account that is a demo account, and deletes it at the
// end. [Listener] receives webhooks and notes their shapes.
//
// # What a report holds
//
// A [Report] has findings in fixed words, statuses, counts and the names of
// members. It holds no key, id, name or value, so it can be kept and sent to the
// maintainers. Aliases of products are in it only if [Options.Aliases] asks for
// them.
//
// # A simulator that answers as the account
//
// passforttest.Like makes a report an option of the simulator, so that tests meet
// what the account does. docs/verify.md has every probe.
package verify
