package passforttest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// customer is one profile with one application, for examples that tell its
// story.
type customer struct {
	srv    *passforttest.Server
	client *passfort.Client
	id     string
}

// tell prints what happened and where the application stands.
func (c *customer) tell(ctx context.Context, what string) *passfort.Application {
	list, err := c.client.Applications.List(ctx, c.id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s, %s\n", what, list[0].Status, list[0].Flag)
	return &list[0]
}

// pass completes the current version of every task that is open.
func (c *customer) pass(ctx context.Context) {
	tasks, err := c.client.Tasks.List(ctx, c.id)
	if err != nil {
		log.Fatal(err)
	}
	for _, task := range tasks {
		if task.State != passfort.TaskStateIncomplete {
			continue
		}
		if _, err := c.client.Tasks.Complete(ctx, c.id, task.ID, passfort.TaskStateCompletedPass); err != nil {
			log.Fatal(err)
		}
	}
}

// newCustomer applies for a product that is screened and verified once a year,
// and that a person approves.
func newCustomer(ctx context.Context, sw passforttest.Switches) *customer {
	srv := passforttest.NewServer(
		passforttest.WithSwitches(sw),
		passforttest.WithClock(passforttest.NewClock(time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC))),
		passforttest.WithProducts(passforttest.Product{
			Alias: "current_account", Tasks: []passforttest.ProductTask{
				{
					Type:   "INDIVIDUAL_ASSESS_POLITICAL_AND_SANCTIONS_EXPOSURE",
					Checks: []string{"PEPS_AND_SANCTIONS_SCREEN"},
				},
				{Type: "INDIVIDUAL_VERIFY_IDENTITY", ExpiresAfter: 365 * 24 * time.Hour},
			},
		}),
	)
	client := srv.Client()
	data := passfort.NewIndividual()
	data.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Kim"}, FamilyName: "Doe"},
	}
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: data,
		Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "current_account"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	srv.AdvanceClock(time.Minute) // the smart policy screens
	return &customer{srv, client, profile.ID}
}

// approve approves an application as an officer does.
func (c *customer) approve(ctx context.Context, a *passfort.Application) {
	if _, err := c.client.Applications.SetStatus(ctx, c.id, a.ID, passfort.ApplicationStatusApproved); err != nil {
		log.Fatal(err)
	}
}

// live plays the life of the application of one customer.
func (c *customer) live(ctx context.Context) {
	c.pass(ctx)
	c.approve(ctx, c.tell(ctx, "verified"))
	c.tell(ctx, "decided")

	hit, err := c.srv.AddEvent(c.id, map[string]any{"event_type": "SANCTION_FLAG"})
	if err != nil {
		log.Fatal(err)
	}
	c.tell(ctx, "monitoring finds a sanction")
	c.srv.AdvanceClock(time.Minute)
	c.tell(ctx, "screened again")
	if _, err := c.client.Events.Resolve(ctx, c.id, hit, passfort.EventResolutionMismatch,
		"another Kim Doe"); err != nil {
		log.Fatal(err)
	}
	c.tell(ctx, "resolved")
	c.pass(ctx)
	if a := c.tell(ctx, "passed"); a.Status == passfort.ApplicationStatusInReview {
		c.approve(ctx, a)
		c.tell(ctx, "decided again")
	}

	c.srv.AdvanceClock(340 * 24 * time.Hour)
	a := c.tell(ctx, "340 days later")
	fmt.Println("expires", a.WillExpireAt)
	c.srv.AdvanceClock(25 * 24 * time.Hour)
	a = c.tell(ctx, "a year later")
	for _, blocker := range a.ApprovalBlockers {
		fmt.Println("open:", blocker.TaskType)
	}
}

// What happens to an application after its approval: a hit of monitoring puts
// it in review until a person resolves the hit, passes the task and approves. A
// year later its identity task expires, and it is in review again.
func Example_lifeOfAnApplication() {
	ctx := context.Background()
	c := newCustomer(ctx, passforttest.Switches{})
	defer c.srv.Close()
	c.live(ctx)
	// Output:
	// verified: APPLIED, READY_FOR_DECISION
	// decided: APPROVED, DECIDED
	// monitoring finds a sanction: IN_REVIEW, AUTOMATING
	// screened again: IN_REVIEW, REQUIRES_MANUAL_TASK_COMPLETION
	// resolved: IN_REVIEW, REQUIRES_MANUAL_TASK_COMPLETION
	// passed: IN_REVIEW, READY_FOR_DECISION
	// decided again: APPROVED, DECIDED
	// 340 days later: APPROVED, NEARING_EXPIRY
	// expires 2027-01-01 09:01:00
	// a year later: IN_REVIEW, REQUIRES_MANUAL_TASK_COMPLETION
	// open: INDIVIDUAL_VERIFY_IDENTITY
}

// The same life as it was thought to be before: an approval stays, and a task
// has no next version before it expires.
func ExampleSwitches() {
	ctx := context.Background()
	c := newCustomer(ctx, passforttest.Switches{ApprovedStays: true, VersionsAtExpiry: true})
	defer c.srv.Close()
	c.live(ctx)
	// Output:
	// verified: APPLIED, READY_FOR_DECISION
	// decided: APPROVED, DECIDED
	// monitoring finds a sanction: APPROVED, DECIDED
	// screened again: APPROVED, DECIDED
	// resolved: APPROVED, DECIDED
	// passed: APPROVED, DECIDED
	// 340 days later: APPROVED, DECIDED
	// expires 2027-01-01 09:01:00
	// a year later: APPROVED, DECIDED
}

// A team decides on an application that was escalated to it.
func ExampleServer_DecideEscalation() {
	srv := passforttest.NewServer(passforttest.WithProducts(passforttest.Product{
		Alias: "loan", Tasks: []passforttest.ProductTask{}, EscalateTo: []string{"legal"},
	}))
	defer srv.Close()
	ctx := context.Background()
	client := srv.Client()
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "loan"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv.AdvanceClock(time.Minute)
	c := customer{srv, client, profile.ID}
	a := c.tell(ctx, "applied")
	if err := srv.DecideEscalation(profile.ID, a.ID, "legal", true); err != nil {
		fmt.Println(err)
		return
	}
	c.tell(ctx, "legal approves")
	// Output:
	// applied: APPLIED, WAITING_ON_ESCALATION
	// legal approves: APPLIED, READY_FOR_DECISION
}

// A rehearsal starts with profiles that are made up.
func ExampleServer_MakeUp() {
	srv := passforttest.New(passforttest.WithSeed(1))
	defer srv.Close()
	ids := srv.MakeUp(20)
	first, err := srv.Client().Profiles.Get(context.Background(), ids[0])
	fmt.Println(srv.Profiles(), first.DisplayName, err)
	fmt.Println(srv.Reset(), srv.Profiles())
	// Output:
	// 20 Alex Ashdown 0 <nil>
	// <nil> 0
}

// The simulator refuses what the pages on the API rule out, and says where. A
// test of old data switches that off.
func ExampleSwitches_lenient() {
	srv := passforttest.New()
	defer srv.Close()
	data := passfort.NewIndividual()
	data.PersonalDetails = &passfort.PersonalDetails{DOB: "31/12/1990"}
	create := func() error {
		_, err := srv.Client().Profiles.Create(context.Background(), &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: data,
		})
		return err
	}
	err := create()
	var refused *passfort.Error
	fmt.Println(errors.As(err, &refused), string(refused.Errors[0].Info))
	srv.SetSwitches(passforttest.Switches{Lenient: true})
	fmt.Println(create())
	// Output:
	// true {"pointer":"/collected_data/personal_details/dob"}
	// <nil>
}

// A name of your own for this machine is answered once it is given.
func ExampleWithHosts() {
	srv := passforttest.NewServer(passforttest.WithHosts("sim.internal"))
	defer srv.Close()
	fmt.Println(srv.Count(""))
	// Output: 0
}

// A product that takes the decision of one check alone, an identity check that goes
// on to a second provider, and rejections that need a reason.
func ExampleWithWaterfall() {
	srv := passforttest.New(
		passforttest.WithWaterfall("IDENTITY_CHECK", "default", "second"),
		passforttest.WithSwitches(passforttest.Switches{
			ReviewByHand: true, OpenMatchesPass: true, ExpiredInWindow: true, // as an account of another age does
		}),
		passforttest.WithProducts(passforttest.Product{
			Alias: "loan", ReasonToReject: true,
			Tasks: []passforttest.ProductTask{{
				Type: "INDIVIDUAL_VERIFY_IDENTITY", Accept: []string{"IDENTITY_CHECK"},
			}},
		}),
	)
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	srv.SetCheckOutcome(passfort.CheckTypeIdentityCheck, passforttest.Outcome{Decision: passfort.DecisionFail},
		passforttest.Outcome{Decision: passfort.DecisionPass})
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "loan"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	check, err := client.Checks.RunAndWait(ctx, profile.ID, &passfort.CheckRequest{
		Type: passfort.CheckTypeIdentityCheck,
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(check.Variant.Alias, check.Decision)
	fmt.Println("its tasks can expire early:", srv.ExpireCheck(profile.ID, check.ID))
	// Output:
	// second PASS
	// its tasks can expire early: <nil>
}
