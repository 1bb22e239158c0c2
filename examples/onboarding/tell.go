package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// onboarding takes customers from nothing to a decision.
type onboarding struct {
	config
	client  *passfort.Client
	portal  *passfort.Client // a colleague who works on the same profiles
	live    bool             // a real account
	out     *printer
	counter *requestCounter
	summary summary
}

// tell runs the whole story. Confirm is asked before anything is written to a
// real account.
func (o *onboarding) tell(ctx context.Context, confirm func(plan []string) error) error {
	o.out.line("Onboarding with passfort-go " + passfort.Version)
	o.out.line("")
	if o.live {
		o.out.line("PASSFORT_API_KEY is set, so this talks to a real account.")
	} else {
		o.out.line("PASSFORT_API_KEY is not set, so a Passfort simulator runs inside this program. Nothing leaves " +
			"this machine.")
	}
	who, err := o.client.WhoAmI(ctx)
	if err != nil {
		return err
	}
	o.summary.Simulator = !o.live
	if who.Institution != nil {
		o.summary.Account = who.Institution.Name
	}
	o.out.line(fmt.Sprintf("The key %q belongs to %s.", who.AuditeeName, o.summary.Account))
	if o.live {
		if err := confirm(o.plan()); err != nil {
			return err
		}
	}
	began := time.Now()
	if o.person {
		if err := o.onboardPerson(ctx); err != nil {
			return err
		}
	}
	if o.company {
		if err := o.onboardCompany(ctx); err != nil {
			return err
		}
	}
	o.summary.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	o.summary.Requests, o.summary.Conflicts, o.summary.Operations = o.counter.totals()
	return nil
}

// plan says what is about to happen to a real account.
func (o *onboarding) plan() []string {
	profiles, identity := 0, 0
	if o.person {
		profiles, identity = profiles+1, identity+1
	}
	if o.company {
		profiles, identity = profiles+2, identity+1
	}
	plan := []string{
		fmt.Sprintf("Profiles created: %d. Live ones count towards your profiles under management.", profiles),
		fmt.Sprintf("Identity checks run: %d. On a live account they are charged.", identity),
	}
	if o.company {
		plan = append(plan, "Company registry checks run: 1. On a live account they may be charged.")
	}
	return append(plan, "Their applications for "+o.product+" and "+o.secondProduct+
		" are approved where nothing is in the way.")
}

func (o *onboarding) onboardPerson(ctx context.Context) error {
	o.out.heading("A person")
	data := passfort.NewIndividual()
	data.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Robin"}, FamilyName: "Sampleton"},
		DOB:  "1990-04-12",
	}
	data.ContactDetails = &passfort.ContactDetails{Email: "robin@old.example", PhoneNumber: "+44 20 7946 0000"}
	data.AddressHistory = []passfort.DatedAddress{{Address: &passfort.Address{
		Type: passfort.AddressTypeFreeform, Country: "GBR", Text: "12 Sample Street, London, N1 1AA",
	}}}
	robin, err := o.create(ctx, "person", passfort.RoleIndividualCustomer, data)
	if err != nil {
		return err
	}
	err = o.correct(ctx, robin, edit{
		field: "email", value: "robin@new.example",
		set:  func(data *passfort.EntityData, v string) error { contact(data).Email = v; return nil },
		read: func(data *passfort.EntityData) string { return contact(data).Email },
	}, edit{
		field: "phone", value: "+44 20 7946 0958",
		set:  func(data *passfort.EntityData, v string) error { contact(data).PhoneNumber = v; return nil },
		read: func(data *passfort.EntityData) string { return contact(data).PhoneNumber },
	})
	if err != nil {
		return err
	}
	if err := o.addProduct(ctx, robin); err != nil {
		return err
	}
	check, err := o.run(ctx, robin, passfort.CheckTypeIdentityCheck, passfort.CheckModeSync)
	if err != nil {
		return err
	}
	if err := o.wait(ctx, robin, check); err != nil {
		return err
	}
	return o.decide(ctx, robin)
}

// contact returns the contact details of a person, made if need be.
func contact(data *passfort.EntityData) *passfort.ContactDetails {
	if data.ContactDetails == nil {
		data.ContactDetails = &passfort.ContactDetails{}
	}
	return data.ContactDetails
}

func (o *onboarding) onboardCompany(ctx context.Context) error {
	o.out.heading("A company and its director")
	data := passfort.NewCompany()
	data.Metadata = &passfort.CompanyMetadata{
		Name: "Sampleton Teapots Ltd", Number: "09999999", CountryOfIncorporation: "GBR",
	}
	teapots, err := o.create(ctx, "company", passfort.RoleCompanyCustomer, data)
	if err != nil {
		return err
	}

	// An associate has a profile of its own and no applications: it gets those
	// of the company once the company's data names it.
	person := passfort.NewIndividual()
	person.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Alex"}, FamilyName: "Sampleton"}, DOB: "1984-11-02",
	}
	alex, err := o.create(ctx, "director", passfort.RoleIndividualAssociated, person)
	if err != nil {
		return err
	}
	err = o.correct(ctx, teapots, edit{
		field: "director", value: alex.ProfileID,
		set: linkDirector, read: lastDirector,
	}, edit{
		field: "website", value: "https://teapots.example",
		set: func(data *passfort.EntityData, v string) error {
			data.Metadata.ContactDetails = &passfort.CompanyContactDetails{URL: v}
			return nil
		},
		read: func(data *passfort.EntityData) string {
			if data.Metadata == nil || data.Metadata.ContactDetails == nil {
				return ""
			}
			return data.Metadata.ContactDetails.URL
		},
	})
	if err != nil {
		return err
	}
	if err := o.addProduct(ctx, teapots); err != nil {
		return err
	}

	// The register is asked while the director's identity is checked.
	registry, err := o.run(ctx, teapots, passfort.CheckTypeCompanyRegistry, passfort.CheckModeAsync)
	if err != nil {
		return err
	}
	identity, err := o.run(ctx, alex, passfort.CheckTypeIdentityCheck, passfort.CheckModeSync)
	if err != nil {
		return err
	}
	if err := o.wait(ctx, alex, identity); err != nil {
		return err
	}
	if err := o.wait(ctx, teapots, registry); err != nil {
		return err
	}

	// A decision for a company does not decide for its associates.
	if err := o.decide(ctx, alex); err != nil {
		return err
	}
	return o.decide(ctx, teapots)
}

// lastDirector returns the profile of the director who was linked last.
func lastDirector(data *passfort.EntityData) string {
	if data.Officers == nil || len(data.Officers.Directors) == 0 {
		return ""
	}
	director := data.Officers.Directors[len(data.Officers.Directors)-1]
	if director.LinkedProfile == nil {
		return ""
	}
	return director.LinkedProfile.ID
}

// create makes a profile that applies for the first product.
func (o *onboarding) create(
	ctx context.Context, kind string, role passfort.Role, data *passfort.EntityData,
) (*customer, error) {
	product := ""
	if role == passfort.RoleIndividualAssociated {
		o.out.begin("Create the profile of the " + kind)
	} else {
		product = o.product
		o.out.begin("Create the profile of the " + kind + ", applying for " + product)
	}
	profile, err := createCustomer(ctx, o.client, role, data, product)
	if err != nil {
		return nil, err
	}
	c := &customer{Kind: kind, ProfileID: profile.ID, Role: profile.Role}
	o.summary.Customers = append(o.summary.Customers, c)
	o.out.field("profile", "%s", profile.ID)
	for i := range profile.Applications {
		o.out.application(&profile.Applications[i])
	}
	return c, nil
}

// edit is a change of one value in collected data.
type edit struct {
	field, value string
	set          func(*passfort.EntityData, string) error
	read         func(*passfort.EntityData) string
}

// correct changes collected data while a colleague does the same. Passfort
// replaces all of the data with each write, so without ETags one of the two
// changes would be lost.
func (o *onboarding) correct(ctx context.Context, c *customer, ours, theirs edit) error {
	o.out.begin("Correct the data of the " + c.Kind + " while the portal changes it too")
	before := o.counter.conflicts()
	runs := 0
	stored, err := o.client.CollectedData.Update(ctx, c.ProfileID, func(data *passfort.EntityData) error {
		runs++
		if err := ours.set(data, ours.value); err != nil || runs > 1 {
			return err
		}
		// We have read, but not written yet. This is the moment.
		_, err := o.portal.CollectedData.Update(ctx, c.ProfileID, func(data *passfort.EntityData) error {
			return theirs.set(data, theirs.value)
		})
		return err
	})
	if err != nil {
		return err
	}
	c.Correction = &correction{
		Conflicts: o.counter.conflicts() - before, Runs: runs,
		Ours:   change{ours.field, ours.value, ours.read(&stored.EntityData) == ours.value},
		Theirs: change{theirs.field, theirs.value, theirs.read(&stored.EntityData) == theirs.value},
	}
	if c.Correction.Conflicts > 0 {
		o.out.watch("412: the portal wrote after we had read. Our change ran again on the")
		o.out.watch("portal's data, and was sent with the new ETag.")
	}
	for _, it := range []struct {
		who string
		change
	}{{"by us", c.Correction.Ours}, {"by the portal", c.Correction.Theirs}} {
		if !it.Kept {
			return fmt.Errorf("the %s that was changed %s is lost", it.Field, it.who)
		}
		o.out.good("kept: %s %s, %s", it.Field, it.Value, it.who)
	}
	return nil
}

// addProduct applies for the second product.
func (o *onboarding) addProduct(ctx context.Context, c *customer) error {
	o.out.begin("Add the product " + o.secondProduct + " for the " + c.Kind)
	application, err := addProduct(ctx, o.client, c.ProfileID, o.secondProduct)
	if err != nil {
		return err
	}
	o.out.application(application)
	for _, task := range application.RequiredTasks {
		o.out.field("needs", "%s", task.TaskType)
	}
	return nil
}

// run starts a check. Even in sync mode it may come back unfinished.
func (o *onboarding) run(
	ctx context.Context, c *customer, kind passfort.CheckType, mode passfort.CheckMode,
) (*passfort.Check, error) {
	o.out.begin(fmt.Sprintf("Run %s for the %s, %s", kind, c.Kind, mode))
	variant := o.variant
	if kind == passfort.CheckTypeCompanyRegistry {
		variant = o.companyVariant
	}
	if mode == passfort.CheckModeSync {
		o.out.progress("waiting for the answer, which may hold the result")
	}
	check, err := runCheck(ctx, o.client, c.ProfileID, kind, mode, variant)
	if err != nil {
		return nil, err
	}
	o.out.field("check", "%s  %s", check.ID, check.State)
	switch {
	case check.Done():
	case mode == passfort.CheckModeSync:
		c.FellBack = true
		o.out.watch("The provider took too long for one call, so the check goes on without it.")
	default:
		o.out.note("It goes on without this program.")
	}
	return check, nil
}

// wait waits for a check and looks at what it did to the tasks. A check that
// takes longer than our patience is left as it is: it goes on at Passfort.
func (o *onboarding) wait(ctx context.Context, c *customer, check *passfort.Check) error {
	if check.Done() {
		o.out.begin(fmt.Sprintf("Look at the %s of the %s", check.Type, c.Kind))
	} else {
		o.out.begin(fmt.Sprintf("Wait for the %s of the %s", check.Type, c.Kind))
	}
	check, err := finish(ctx, o.client, c.ProfileID, check, o.patience, o.pace("the check"))
	if err != nil {
		return err
	}
	c.Checks = append(c.Checks, checkLine{check.ID, check.Type, check.State, check.Result, check.Decision})
	if !check.Done() {
		o.out.watch("The check is still %s after %s. It goes on without this program.", check.State, o.patience)
		return nil
	}
	o.out.field("result", "%s, decision %s", check.Result, check.Decision)
	for _, detail := range check.Errors {
		o.out.watch("The check had an error: %s", detail)
	}
	tasks, err := currentTasks(ctx, o.client, c.ProfileID)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		c.Tasks = append(c.Tasks, taskLine{task.ID, task.Type, task.State})
		o.out.task(&task)
	}
	return nil
}

// decide waits until each application is ready and approves it. What is not
// ready in time stays as it is, for a person to look at.
func (o *onboarding) decide(ctx context.Context, c *customer) error {
	o.out.begin("Approve the applications of the " + c.Kind)
	applications, err := o.client.Applications.List(ctx, c.ProfileID)
	if err != nil {
		return err
	}
	c.Decision = passfort.ApplicationStatusApproved
	for i := range applications {
		name := alias(&applications[i])
		application, err := approve(ctx, o.client, c.ProfileID, applications[i].ID, o.patience, o.pace(name))
		if err != nil {
			return err
		}
		o.out.flags(application)
		c.Applications = append(c.Applications, applicationLine{application.ID, alias(application), application.Status,
			application.Flag})
		if application.Status == passfort.ApplicationStatusApproved {
			o.out.good("%s: %s", alias(application), application.Status)
			continue
		}
		c.Decision = application.Status
		o.out.watch("%s: %s, %s. It stays as it is.", alias(application), application.Status, application.Flag)
		for _, blocker := range application.ApprovalBlockers {
			o.out.watch("%s %s", blocker.BlockerType, blocker.TaskType)
		}
	}
	return nil
}

func alias(application *passfort.Application) string {
	if application.Product == nil {
		return ""
	}
	return application.Product.Alias
}

// pace says how a wait asks, and shows each question.
func (o *onboarding) pace(what string) *passfort.WaitOptions {
	began := time.Now()
	options := &passfort.WaitOptions{OnPoll: func(attempt int) {
		if attempt > 1 {
			o.out.progress("waiting for %s: question %d, %.1f s so far", what, attempt, time.Since(began).Seconds())
		}
	}}
	if !o.live {
		options.MinInterval, options.MaxInterval = 150*time.Millisecond, 400*time.Millisecond
	}
	return options
}

// summary is what -json prints.
type summary struct {
	Simulator  bool           `json:"simulator"`
	Account    string         `json:"account"`
	Customers  []*customer    `json:"customers"`
	Requests   int            `json:"requests"`
	Conflicts  int            `json:"conflicts"`
	Operations map[string]int `json:"operations"`
	Seconds    float64        `json:"seconds"`
}

// customer is one profile of the story, without any personal data.
type customer struct {
	Kind         string                     `json:"kind"`
	ProfileID    string                     `json:"profile_id"`
	Role         passfort.Role              `json:"role"`
	Decision     passfort.ApplicationStatus `json:"decision"`
	Correction   *correction                `json:"correction,omitempty"`
	FellBack     bool                       `json:"sync_check_fell_back"`
	Checks       []checkLine                `json:"checks"`
	Tasks        []taskLine                 `json:"tasks"`
	Applications []applicationLine          `json:"applications"`
}

// correction is how two changes at the same moment ended.
type correction struct {
	Conflicts int    `json:"conflicts"` // answers 412
	Runs      int    `json:"runs"`      // of our change function
	Ours      change `json:"ours"`
	Theirs    change `json:"theirs"`
}

type change struct {
	Field string `json:"field"`
	Value string `json:"-"`
	Kept  bool   `json:"kept"`
}

type checkLine struct {
	ID       string               `json:"id"`
	Type     passfort.CheckType   `json:"check_type"`
	State    passfort.CheckState  `json:"state"`
	Result   passfort.CheckResult `json:"result"`
	Decision passfort.Decision    `json:"decision"`
}

type taskLine struct {
	ID    string             `json:"id"`
	Type  passfort.TaskType  `json:"type"`
	State passfort.TaskState `json:"state"`
}

type applicationLine struct {
	ID      string                     `json:"id"`
	Product string                     `json:"product"`
	Status  passfort.ApplicationStatus `json:"status"`
	Flag    passfort.ApplicationFlag   `json:"flag"`
}

// requestCounter counts requests. It is a passfort.Observer, which sees
// operations and statuses and never data.
type requestCounter struct {
	mu         sync.Mutex
	requests   int
	lost       int // answers 412
	operations map[string]int
}

// CallStarted does nothing.
func (r *requestCounter) CallStarted(ctx context.Context, _ passfort.CallInfo) context.Context {
	return ctx
}

// AttemptEnded counts the attempt.
func (r *requestCounter) AttemptEnded(_ context.Context, attempt passfort.AttemptInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.operations == nil {
		r.operations = map[string]int{}
	}
	r.requests++
	r.operations[attempt.Operation]++
	if attempt.StatusCode == http.StatusPreconditionFailed {
		r.lost++
	}
}

// CallEnded does nothing.
func (r *requestCounter) CallEnded(context.Context, passfort.CallResult) {}

func (r *requestCounter) conflicts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

func (r *requestCounter) totals() (requests, conflicts int, operations map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests, r.lost, maps.Clone(r.operations)
}
