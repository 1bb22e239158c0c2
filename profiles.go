package passfort

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"

	"github.com/passfort-go/passfort/internal/bounded"
	"github.com/passfort-go/passfort/internal/wire"
)

// ProfilesService creates, reads and lists profiles (docs/api/profiles.md#create-a-profile).
type ProfilesService struct{ road *road }

// Create makes a profile. Collected data needs at least its entity type;
// without applications the profile applies for every product that is marked to
// apply automatically. It is sent once: after an error that is
// ErrOutcomeUnknown a profile may exist, so look for it with List before you
// create another. Live profiles count towards your profiles under management.
// The API allows 10,000 of these an hour.
func (s *ProfilesService) Create(ctx context.Context, req *ProfileRequest, opts ...CallOption) (*Profile, error) {
	return result[Profile](ctx, s.road, "Profiles.Create", call{problem: req.problem(), body: req, opts: opts})
}

// Get reads a profile with its applications, tasks and checks. Passfort writes
// an audit item for it, once a day, so do not poll it: wait for a check or an
// application instead.
func (s *ProfilesService) Get(ctx context.Context, profileID string, opts ...CallOption) (*Profile, error) {
	return result[Profile](ctx, s.road, "Profiles.Get", call{args: []string{profileID}, opts: opts})
}

// List reads one page of profiles. Nil options list all profiles from the
// first, 50 on a page. The order is not documented. For all pages see All.
func (s *ProfilesService) List(
	ctx context.Context, options *ProfileListOptions, opts ...CallOption,
) (*ProfilePage, error) {
	return result[ProfilePage](ctx, s.road, "Profiles.List", call{
		problem: options.problem(), query: options, opts: opts,
	})
}

// All returns an iterator over the matching profiles of all pages. It reads a page
// when it is needed, 200 profiles at a time unless the options say otherwise, and
// ends after the first error. The options are those at the time of the call.
//
// The API pages by position. A profile that moves to the next page, because others
// were created, is yielded once. When the count falls, because profiles were
// deleted, All goes back by as many places, so that a loop may delete what it
// lists; if more than 1,000, or twice what is read ahead, went between two pages the
// error is ErrPagesMoved, as some may have been missed. Where others delete profiles and
// create as many between two pages, the count does not show it, and as many may be
// missed; a job of module fleet misses none. A page that repeats the one before is an
// error too: the server ignores the offset.
//
// With ProfileListOptions.Ahead pages are read while the loop is busy with the ones
// before, in the same order and with the same checks.
func (s *ProfilesService) All(
	ctx context.Context, options *ProfileListOptions, opts ...CallOption,
) iter.Seq2[*Profile, error] {
	pages := s.Pages(ctx, options, opts...)
	return func(yield func(*Profile, error) bool) {
		for page, err := range pages {
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Results {
				if !yield(&page.Results[i], nil) {
					return
				}
			}
		}
	}
}

// Pages returns an iterator over the pages that All reads, with what they say of the
// whole list, for a progress bar or a transaction for each page. Results has only
// the profiles that no page before had.
func (s *ProfilesService) Pages(
	ctx context.Context, options *ProfileListOptions, opts ...CallOption,
) iter.Seq2[*ProfilePage, error] {
	first := ProfileListOptions{}
	if options != nil {
		first = *options
	}
	first.Limit = cmp.Or(first.Limit, maxProfilesPerPage)
	return func(yield func(*ProfilePage, error) bool) {
		at := pages{options: first, remembered: max(rememberedProfiles, 2*(first.Ahead+1)*first.Limit)}
		at.yielded = bounded.New[struct{}](at.remembered)
		if place := first.Checkpoint; place != nil {
			offset, count := place.at.Place()
			at.options.Offset, at.count = max(offset, first.Offset), count
		}
		ahead := pagesAhead{ctx: ctx, service: s, opts: opts}
		defer ahead.stop()
		for !at.end {
			got, err := ahead.page(&at)
			if err != nil {
				yield(nil, err)
				return
			}
			if err := at.turn(got); err != nil {
				yield(nil, s.road.without("Profiles.List", err))
				return
			}
			if !at.moved && !yield(got, nil) {
				return
			}
		}
	}
}

// FindByCustomerRef returns the first profile whose collected data has this customer
// reference. The API cannot search by it, so this reads the list, 200 profiles with
// each request, until one has it: half of the list on average, and all of it for
// ErrNotFound. Where the list leaves collected data out, each profile costs one more
// request. So keep the id that Create returns, and use this to find what an
// ErrOutcomeUnknown left behind.
func (s *ProfilesService) FindByCustomerRef(
	ctx context.Context, customerRef string, opts ...CallOption,
) (*Profile, error) {
	if problem := missing("customer reference", customerRef); problem != "" {
		return nil, s.road.refuse("Profiles.List", problem)
	}
	for profile, err := range s.All(ctx, nil, opts...) {
		if err != nil {
			return nil, err
		}
		data := profile.CollectedData
		if data == nil {
			c := call{args: []string{profile.ID}, opts: opts}
			data, err = result[EntityData](ctx, s.road, "CollectedData.Get", c)
			if errors.Is(err, ErrNotFound) {
				continue // deleted since
			}
			if err != nil {
				return nil, err
			}
		}
		if data.CustomerRef == customerRef {
			return profile, nil
		}
	}
	return nil, s.road.without("Profiles.List", fmt.Errorf("%w: no profile has this customer reference", ErrNotFound))
}

// ErrPagesMoved is returned by Profiles.All when so many profiles were deleted while
// it read that some of the others may have been missed. Begin again.
var ErrPagesMoved = errors.New("passfort: profiles were deleted between two pages")

// errPageAgain ends a list of which the server returns one page again and again.
var errPageAgain = fmt.Errorf("passfort: the server returned the page before again: %w", wire.ErrShape)

// rememberedProfiles is how many of the profiles that were yielded last All
// remembers at least, and twice as many as are read ahead.
const rememberedProfiles = 1000

// pages is where All stands.
type pages struct {
	options    ProfileListOptions // of the next page
	remembered int                // how many were yielded last and are known
	yielded    *bounded.Map[struct{}]
	before     []string // the ids of the page before
	count      *int     // as the page before said
	moved      bool     // profiles before this page are gone: it is read again from further up
	end        bool
}

// turn takes a page: it decides what of it is new, and where the next one begins.
func (p *pages) turn(got *ProfilePage) error {
	p.moved = false
	count := got.Count
	if count != nil && *count < 0 {
		count = nil // it wrapped around at the server
	}
	if p.count != nil && count != nil && *count < *p.count {
		fell := *p.count - *count
		if fell > p.remembered {
			return ErrPagesMoved
		}
		p.count, p.before, p.moved = count, nil, true
		p.options.Offset = max(0, p.options.Offset-fell)
		if place := p.options.Checkpoint; place != nil {
			place.at.Fell(fell, *count)
		}
		return nil
	}
	p.count = count
	ids := make([]string, len(got.Results))
	for i := range got.Results {
		ids[i] = got.Results[i].ID
	}
	offset := p.options.Offset
	got.Results = slices.DeleteFunc(got.Results, func(profile Profile) bool {
		_, known := p.yielded.Get(profile.ID)
		p.yielded.Put(profile.ID, struct{}{})
		return known && profile.ID != ""
	})
	fresh := len(got.Results)
	if len(ids) > 0 && fresh == 0 && slices.Equal(ids, p.before) {
		return errPageAgain
	}
	p.before = ids
	// Hidden profiles take places on a page too, so the place counts.
	if got.Limit != nil && *got.Limit > 0 && *got.Limit <= maxProfilesPerPage {
		p.options.Limit = *got.Limit
	}
	p.options = p.options.following()
	nothing := len(ids) == 0 && (got.Hidden == nil || *got.Hidden == 0)
	if err := p.note(offset, got); err != nil {
		return err
	}
	p.end = nothing || count == nil && fresh == 0 || count != nil && p.options.Offset >= *count
	return nil
}

// note takes out of a page what its checkpoint says is handled.
func (p *pages) note(offset int, got *ProfilePage) error {
	if p.options.Checkpoint == nil {
		return nil
	}
	ids := make([]string, len(got.Results))
	for i := range got.Results {
		ids[i] = got.Results[i].ID
	}
	open, err := p.options.Checkpoint.at.Begin(offset, p.options.Offset, p.count, ids)
	if err != nil {
		return errCheckpointBehind
	}
	i := -1
	got.Results = slices.DeleteFunc(got.Results, func(Profile) bool {
		i++
		return !open[i]
	})
	return nil
}

// pagesAhead reads the pages that follow while those before are worked on.
type pagesAhead struct {
	ctx     context.Context //nolint:containedctx // of the one call of All
	service *ProfilesService
	opts    []CallOption

	queue   []pageAhead        // in order
	next    ProfileListOptions // of the page after those
	reading context.Context    //nolint:containedctx // of the queue
	cancel  context.CancelFunc
	under   sync.WaitGroup
}

// pageAhead is a page that is being read.
type pageAhead struct {
	options ProfileListOptions
	got     chan pageRead
}

type pageRead struct {
	page     *ProfilePage
	response Response
	err      error
}

// page returns the page that at stands at.
func (a *pagesAhead) page(at *pages) (*ProfilePage, error) {
	if at.options.Ahead == 0 || at.count == nil {
		a.stop() // where the list ends is not known
		return a.service.List(a.ctx, &at.options, a.opts...)
	}
	if len(a.queue) > 0 && !a.queue[0].options.samePage(&at.options) {
		a.stop() // the places of the list moved
	}
	if len(a.queue) == 0 {
		a.next = at.options
		a.read()
	}
	a.fill(at)
	read := <-a.queue[0].got
	a.queue = a.queue[1:]
	if read.err == nil {
		a.fill(at) // while the loop is busy with this page
	}
	if capture := settingsOf(a.opts).capture; capture != nil {
		*capture = read.response
	}
	return read.page, read.err
}

// fill begins to read pages until there are enough, or no more of the list.
func (a *pagesAhead) fill(at *pages) {
	for len(a.queue) < at.options.Ahead && a.next.Offset < *at.count {
		a.read()
	}
}

// read begins to read the next page.
func (a *pagesAhead) read() {
	if a.cancel == nil {
		a.reading, a.cancel = context.WithCancel(a.ctx)
	}
	ctx, options := a.reading, a.next
	next := pageAhead{options, make(chan pageRead, 1)}
	a.queue = append(a.queue, next)
	a.next = options.following()
	a.under.Go(func() {
		var read pageRead
		opts := append(slices.Clip(a.opts), CaptureResponse(&read.response))
		read.page, read.err = a.service.List(ctx, &options, opts...)
		next.got <- read
	})
}

// stop gives up the pages that are being read.
func (a *pagesAhead) stop() {
	if a.cancel != nil {
		a.cancel()
		a.under.Wait()
		a.cancel, a.queue = nil, nil
	}
}

// Status reads whether the profile is normal, suspended or banned.
func (s *ProfilesService) Status(ctx context.Context, profileID string, opts ...CallOption) (ProfileStatus, error) {
	var out ProfileStatus
	_, err := s.road.do(ctx, "Profiles.Status", call{args: []string{profileID}, out: &out, opts: opts})
	return out, err
}

// SetStatus sets the status of a profile and returns the one it has then. It
// may be repeated: setting the same status again changes nothing. If an answer
// was lost, the status is read to find out.
func (s *ProfilesService) SetStatus(
	ctx context.Context, profileID string, status ProfileStatus, opts ...CallOption,
) (ProfileStatus, error) {
	var out ProfileStatus
	_, err := s.road.do(ctx, "Profiles.SetStatus", call{
		args: []string{profileID}, problem: missing("status", string(status)), body: &status, out: &out, opts: opts,
	})
	now, err := settle(&out, err, func() (*ProfileStatus, error) {
		read, err := s.Status(ctx, profileID)
		return &read, err
	}, func(read *ProfileStatus) bool { return *read == status })
	if err != nil {
		return "", err
	}
	return *now, nil
}

// Delete deletes a profile and everything that belongs to it, permanently
// (docs/api/profiles.md#delete-a-profile). The message says why and may be empty. It stays in
// the audit log for good, as do the initials of the profile: put no personal data in it. It is sent
// once; after ErrOutcomeUnknown, Get answers ErrNotFound if the profile is gone. It moves the
// profiles behind it one place up in lists: All and Pages follow, a loop over List skips as many as
// it deletes.
func (s *ProfilesService) Delete(ctx context.Context, profileID, message string, opts ...CallOption) error {
	body := struct {
		ConfirmID string `json:"confirm_id"`
		Message   string `json:"message"`
	}{profileID, message}
	_, err := s.road.do(ctx, "Profiles.Delete", call{args: []string{profileID}, body: &body, opts: opts})
	return err
}

// ProfileRequest is what Create sends.
type ProfileRequest struct {
	// Role is required.
	Role Role `json:"role"`
	// CollectedData is required. See NewIndividual and NewCompany.
	CollectedData *EntityData `json:"collected_data"`
	// Applications are the products to apply for.
	Applications []ApplicationRequest `json:"applications"`

	// Unknown holds members to send that this type has no field for.
	Unknown Unknown `json:"-"`
}

func (v *ProfileRequest) problem() string {
	switch {
	case v == nil:
		return "the profile request is nil"
	case v.Role == "":
		return "the role is empty"
	case v.CollectedData == nil:
		return "the collected data is nil"
	case v.CollectedData.EntityType == "":
		return "the entity type is empty"
	}
	for i := range v.Applications {
		if problem := v.Applications[i].problem(); problem != "" {
			return problem
		}
	}
	return ""
}

// maxProfilesPerPage is the largest page the API gives (docs/api/basics.md#lists).
const maxProfilesPerPage = 200

// ProfileListOptions select profiles. The zero value selects all.
type ProfileListOptions struct {
	// Query searches names and tags.
	Query string `url:"q,omitempty"`
	// Categories restricts the list to profiles in any of them.
	Categories []ProfileCategory `url:"categories,omitempty,comma"`
	// Limit is the size of a page, at most 200; 0 leaves it to the server, which takes 50.
	Limit int `url:"limit,omitempty"`
	// Offset is how many matches to skip.
	Offset int `url:"offset,omitempty"`
	// Checkpoint lets All and Pages go on where a walk before came to, and leave out
	// what was handled. Use it with the same query and categories.
	Checkpoint *Checkpoint `url:"-"`
	// Ahead is how many pages All reads at once, at most 16, while the loop is busy with
	// another one; 0 reads one when it is needed. So many pages are held in memory, beside
	// the one of the loop, and while they are decoded the text of theirs. The first
	// page is read alone, and where the server does not count the matches all are.
	Ahead int `url:"-"`
}

// maxPagesAhead bounds what is held and asked for at once.
const maxPagesAhead = 16

// samePage reports whether o selects the same page as other.
func (o *ProfileListOptions) samePage(other *ProfileListOptions) bool {
	return o.Offset == other.Offset && o.Limit == other.Limit
}

// following returns the options of the page after this one.
func (o ProfileListOptions) following() ProfileListOptions {
	o.Offset += min(o.Limit, math.MaxInt-o.Offset)
	return o
}

func (o *ProfileListOptions) problem() string {
	switch {
	case o == nil:
		return ""
	case o.Limit < 0 || o.Limit > maxProfilesPerPage:
		return "the limit is not between 0 and 200"
	case o.Offset < 0:
		return "the offset is negative"
	case o.Ahead < 0 || o.Ahead > maxPagesAhead:
		return "the pages ahead are not between 0 and 16"
	}
	return ""
}

// Profile is everything Passfort holds about one customer or associate
// (docs/api/profiles.md#the-profile). The server sets all fields but Role, CollectedData and
// Applications. Lists and linked profiles carry a subset, so any field may be absent.
type Profile struct {
	ID string `json:"id"`
	// CreationDate and LastModifiedDate are date-times. See ParseDateTime.
	CreationDate string `json:"creation_date"`
	// LastModifiedDate is newer than 2019.
	LastModifiedDate string `json:"last_modified_date"`
	Role             Role   `json:"role"`
	// CollectedData is what the customer gave you. Change it with CollectedData.Update.
	CollectedData *EntityData `json:"collected_data"`
	// VerifiedData is what checks have confirmed.
	VerifiedData    *EntityData      `json:"verified_data"`
	Checks          []Check          `json:"checks"`
	CollectionSteps []CollectionStep `json:"collection_steps"`
	DisplayName     string           `json:"display_name"`
	Applications    []Application    `json:"applications"`
	TaskTypes       []TaskType       `json:"task_types"`
	Tasks           []Task           `json:"tasks"`
	Events          []Event          `json:"events"`
	Category        ProfileCategory  `json:"category"`
	Status          ProfileStatus    `json:"status"`
	DocumentImages  []DocumentImage  `json:"document_images"`
	Tags            []Tag            `json:"tags"`
	// Risk of the profile. It may be an empty object, and newer accounts have risk per application
	// instead.
	Risk                 *RiskOverview `json:"risk"`
	UnresolvedEventTypes []EventType   `json:"unresolved_event_types"`
	TaskProgress         *TaskProgress `json:"task_progress"`
	HasAssociates        *bool         `json:"has_associates"`
	HasCollectionSteps   *bool         `json:"has_collection_steps"`
	// LinkedTo lists the profiles this one is an associate of.
	LinkedTo []LinkedProfile `json:"linked_to"`

	Unknown Unknown `json:"-"`
}

func (v *Profile) identity() string { return v.ID }

// ProfilePage is one page of profiles (docs/api/profiles.md#create-a-profile).
type ProfilePage struct {
	// Count is the number of matches on all pages.
	Count  *int `json:"count"`
	Limit  *int `json:"limit"`
	Offset *int `json:"offset"`
	// Results carry a subset of each profile. There may be fewer than Limit before the last page,
	// because of hidden profiles.
	Results []Profile `json:"results"`
	// Hidden is the number of profiles left out because the key may not see them.
	Hidden *int `json:"hidden"`
	// Capabilities maps a profile id to what the key may do with it.
	Capabilities map[string][]Capability `json:"capabilities"`
	// AssociatedResults is required but nowhere described by the API, and kept unchanged.
	AssociatedResults json.RawMessage `json:"associated_results"`

	Unknown Unknown `json:"-"`
}

// ProfileStatus is the standing of a profile. On the wire it is a bare JSON string
// (docs/api/profiles.md#status).
type ProfileStatus string

// Values of ProfileStatus. Others may appear at any time.
const (
	ProfileStatusNormal    ProfileStatus = "NORMAL"
	ProfileStatusSuspended ProfileStatus = "SUSPENDED"
	ProfileStatusBanned    ProfileStatus = "BANNED"
)

// ProfileCategory says how far a profile has come (docs/api/profiles.md#roles-and-states). Profiles
// can be listed by it.
type ProfileCategory string

// Values of ProfileCategory. Others may appear at any time.
const (
	ProfileCategoryCustomer          ProfileCategory = "CUSTOMER"
	ProfileCategoryPreviousCustomer  ProfileCategory = "PREVIOUS_CUSTOMER"
	ProfileCategoryApplicant         ProfileCategory = "APPLICANT"
	ProfileCategoryInactiveApplicant ProfileCategory = "INACTIVE_APPLICANT"
)

// TaskProgress counts the tasks of a profile.
type TaskProgress struct {
	CompletedCount *int `json:"completed_count"`
	TotalCount     *int `json:"total_count"`

	Unknown Unknown `json:"-"`
}

// LinkedProfile is a profile that another one is linked to, with its roles there. A later
// description has only its ID (docs/api/profiles.md#the-profile).
type LinkedProfile struct {
	Profile *Profile         `json:"profile"`
	Roles   []AssociatedRole `json:"roles"`
	ID      string           `json:"id"`

	Unknown Unknown `json:"-"`
}
