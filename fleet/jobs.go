package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
)

// Job does the work of a job with one profile. It may run again for a profile whose
// record was not written, so what must not happen twice needs [Item.Note]. A refusal of
// Passfort that is about the profile (400, 404, 410, 422) is recorded and not repeated;
// with any other error the profile is tried again, without an end, with pauses that
// grow to a minute.
type Job func(ctx context.Context, item *Item) error

// Item is one profile of a job.
type Item struct {
	// Job is the name of the job.
	Job       string
	Kind      string
	ProfileID string
	// Tries counts the deliveries of the item, from 1.
	Tries uint64

	fleet *Fleet
}

func (i *Item) effect() string {
	return i.fleet.names.subject("effects", "job", token(i.Job), token(i.ProfileID))
}
func (i *Item) note() string {
	return i.fleet.names.subject("effects", "note", token(i.Job), token(i.ProfileID))
}

// Note keeps a note for the item unless one is there, and returns the one that is
// there: that of the first try which got so far. Write it before what costs money, so
// that the next try can find out whether it was done. Keep no personal data in it.
func (i *Item) Note(ctx context.Context, note []byte) (first []byte, err error) {
	err = i.fleet.commit(ctx, &nats.Msg{Subject: i.note(), Data: note})
	if errors.Is(err, errAlreadyDone) {
		return i.fleet.effect(ctx, i.note())
	}
	return note, err
}

// RunCheck returns a job that runs one check of a type on each profile, once. A check
// costs money and the API does not know it again when it is repeated: so the existing
// checks are noted first, and a later try looks for one that is not on the
// note. No other program may run checks of the type on the profile meanwhile.
func RunCheck(client *passfort.Client, checkType passfort.CheckType) Job {
	return func(ctx context.Context, item *Item) error {
		checks, err := client.Checks.List(ctx, item.ProfileID)
		if err != nil {
			return err
		}
		before := []string{}
		for _, c := range checks {
			if c.Type == checkType {
				before = append(before, c.ID)
			}
		}
		note, err := json.Marshal(before)
		if err != nil {
			return err
		}
		if note, err = item.Note(ctx, note); err != nil {
			return err
		}
		var noted []string
		if err := json.Unmarshal(note, &noted); err != nil {
			return err
		}
		if slices.ContainsFunc(before, func(id string) bool { return !slices.Contains(noted, id) }) {
			return nil
		}
		_, err = client.Checks.Run(ctx, item.ProfileID, &passfort.CheckRequest{
			Type: checkType, Mode: passfort.CheckModeAsync,
		})
		return err
	}
}

// listing is how far a job was listed. It travels with the task to list the
// next page, so a crash resumes at the page in hand.
type listing struct {
	Job    string    `json:"job"`
	Kind   string    `json:"kind"`
	Begun  time.Time `json:"begun"`
	Page   int       `json:"page"` // how many were listed
	Offset int       `json:"offset"`
	Listed int       `json:"listed"`
	Total  int       `json:"total"` // as the API counts; it may change
	Most   int       `json:"most"`  // profiles that there were, as far as is known
	Done   bool      `json:"done"`
	// Last are the ids of the page before. They are not kept when the page is listed.
	Last []string `json:"last,omitempty"`
	// Hidden reports whether the page before had profiles that the key may not see.
	Hidden bool `json:"hidden,omitempty"`
}

// after reports whether no profile between the page before and this one was missed: one
// of those listed before is on it. Where profiles are hidden there may be none of them,
// so what is left is the count, which falls when profiles before the page are gone.
func (l *listing) after(page *passfort.ProfilePage) bool {
	switch {
	case slices.ContainsFunc(page.Results, l.has):
		return true
	case l.Hidden || hides(page):
		return fell(l, page) <= 0
	default:
		return len(l.Last) == 0
	}
}

func (l *listing) has(p passfort.Profile) bool { return slices.Contains(l.Last, p.ID) }

func hides(page *passfort.ProfilePage) bool { return page.Hidden != nil && *page.Hidden > 0 }

// fell returns by how much the count is smaller than with the page before.
func fell(l *listing, page *passfort.ProfilePage) int {
	if page.Count == nil {
		return 0
	}
	return l.Total - *page.Count
}

// task is a profile of a job in the queue.
type task struct {
	Job       string `json:"job"`
	Kind      string `json:"kind"`
	ProfileID string `json:"profile"`
}

// outcome is what is recorded of a profile of a job.
type outcome struct {
	Worker string    `json:"worker"`
	Tries  uint64    `json:"tries"`
	Status int       `json:"status,omitempty"` // of a refusal that no repeat would change
	At     time.Time `json:"at"`
}

// errUnknownKind: another process has this kind in its Jobs, or none.
var errUnknownKind = errors.New("this process has no such kind of job")

// StartJob puts a job over all profiles of the account into the queue, and returns.
// The processes that work do the rest: each profile that exists from now until all are
// listed has a record in the end, also one that moves to an earlier page because others
// were deleted. That needs a list which keeps its order, which Passfort does not promise:
// where it does not, the job ends all the same, and the log says so. The same name again
// goes on with the same job, and fails if it is of another kind. A name is kept for as
// long as [Layout].Keep.
func (f *Fleet) StartJob(ctx context.Context, name, kind string) error {
	first := listing{Job: token(name), Kind: kind, Begun: time.Now()}
	kept, err := f.saveListing(ctx, first)
	if err != nil {
		return err
	}
	if kept.Kind != kind {
		return errors.New("fleet: there is a job of this name and of another kind")
	}
	if kept.Page > 0 || kept.Done {
		return nil
	}
	return f.enqueuePage(ctx, first)
}

func (f *Fleet) enqueuePage(ctx context.Context, l listing) error {
	body, err := json.Marshal(l)
	if err != nil {
		return err
	}
	msg := &nats.Msg{Subject: f.names.subject("jobs", "page", l.Job), Data: body}
	_, err = f.publish(ctx, "store a page of a job", msg,
		jetstream.WithMsgID(fmt.Sprintf("%s/pages/%d", l.Job, l.Page)))
	return err
}

// saveListing records how far a job was listed, unless it is known to be further: a
// process that was thought dead may come late. It returns what is recorded then.
func (f *Fleet) saveListing(ctx context.Context, l listing) (listing, error) {
	l.Last = nil
	body, err := json.Marshal(l)
	if err != nil {
		return l, err
	}
	for {
		known, sequence, err := f.listing(ctx, l.Job)
		if err != nil && !errors.Is(err, ErrNoJob) {
			return l, err
		}
		if err == nil && (known.Done || known.Page >= l.Page && !l.Done) {
			return known, nil
		}
		err = f.commitAfter(ctx, &nats.Msg{Subject: f.names.subject("lists", l.Job), Data: body}, sequence)
		if !errors.Is(err, errAlreadyDone) {
			return l, err
		}
	}
}

// ErrNoJob means that there is no job of a name.
var ErrNoJob = errors.New("there is no job of this name")

func (f *Fleet) listing(ctx context.Context, job string) (l listing, sequence uint64, err error) {
	msg, err := f.last(ctx, listStream, f.names.subject("lists", token(job)))
	switch {
	case err != nil:
		return l, 0, err
	case msg == nil:
		return l, 0, fmt.Errorf("fleet: %w", ErrNoJob)
	case json.Unmarshal(msg.Data, &l) != nil:
		return l, 0, errUnreadable
	}
	return l, msg.Sequence, nil
}

// runPages lists, one page after the other, until ctx ends.
func (w *worker) runPages(ctx context.Context) {
	w.consume(ctx, jobStream, pagesConsumer, 1, func(msg jetstream.Msg) { w.page(ctx, msg) })
}

// runItems does the work of one profile after the other, until ctx ends.
func (w *worker) runItems(ctx context.Context) {
	w.consume(ctx, jobStream, itemsConsumer, 1, func(msg jetstream.Msg) { w.item(ctx, msg) })
}

func (w *worker) page(ctx context.Context, msg jetstream.Msg) {
	defer holding(msg, w.ackWait)()
	err := w.list(ctx, msg.Data())
	switch {
	case err == nil:
		_ = msg.Ack()
		return
	case errors.Is(err, errUnreadable):
		w.complain("a page of a job was dropped", err)
		_ = msg.Term()
		return
	case !errors.Is(err, errQueueFull) && ctx.Err() == nil:
		w.counts.jobRetries.Add(1)
		w.complain("a page was not listed", err)
	}
	_ = msg.NakWithDelay(jittered(500 * time.Millisecond))
}

// errQueueFull: there is enough to do, so listing waits.
var errQueueFull = errors.New("the queue of jobs is full")

// list reads a page, queues its profiles and then the page after it. If it is
// cut short and repeated, the engine drops what it has already.
func (w *worker) list(ctx context.Context, body []byte) error {
	var at listing
	if err := json.Unmarshal(body, &at); err != nil {
		return errUnreadable
	}
	if at.Page == 0 { // an older version, beside this one too, counts no pages
		at.Page = at.Offset / (pageSize - overlap)
	}
	info, err := w.info(ctx, jobStream)
	if err != nil {
		return err
	}
	if int64(info.State.Msgs)+pageSize > w.queue { //nolint:gosec // the engine keeps it below the queue's bound
		return errQueueFull
	}
	page, offset, err := w.pageAfter(ctx, &at)
	if err != nil {
		return err
	}
	ids := make([]string, len(page.Results))
	for i := range page.Results {
		ids[i] = page.Results[i].ID
	}
	fresh := slices.DeleteFunc(page.Results, at.has)
	if err := w.enqueueItems(ctx, at, fresh); err != nil {
		return err
	}
	next := at
	next.Page++
	next.Listed += len(fresh)
	next.Hidden = hides(page)
	if len(ids) > 0 {
		next.Last = ids
	}
	places := pageSize
	if page.Limit != nil && *page.Limit > overlap && *page.Limit < pageSize {
		places = *page.Limit
	}
	next.Offset = offset + places - overlap
	next.Most = max(at.Most, offset+places)
	if page.Count != nil {
		next.Total, next.Most = *page.Count, max(at.Most, *page.Count)
		next.Done = offset+places >= *page.Count
	} else {
		next.Done = len(fresh) == 0 && len(ids) < places && !next.Hidden
	}
	if !next.Done {
		if err := w.enqueuePage(ctx, next); err != nil {
			return err
		}
	}
	_, err = w.saveListing(ctx, next)
	return err
}

// errNoOrder: far more profiles were listed than there are, so that reading again from
// further up may have no end.
var errNoOrder = errors.New("the list of profiles keeps no order")

// pageAfter reads the page that follows the one before. The API pages by position: when
// profiles were deleted, those behind them have moved up, and it reads from further up,
// if need be from the first.
func (w *worker) pageAfter(ctx context.Context, at *listing) (page *passfort.ProfilePage, offset int, err error) {
	offset = at.Offset
	for back := leastBack; ; back *= 2 {
		page, err = w.Client.Profiles.List(ctx, &passfort.ProfileListOptions{Limit: pageSize, Offset: offset})
		if err != nil {
			return nil, 0, err
		}
		if page.Count != nil && *page.Count < 0 {
			page.Count = nil // it wrapped around at the server
		}
		if offset == 0 || at.after(page) {
			return page, offset, nil
		}
		if at.Listed > 2*at.Most {
			w.complain("a job may miss profiles", errNoOrder)
			return page, offset, nil
		}
		offset = max(0, offset-max(back, fell(at, page)))
	}
}

const (
	// pageSize is the largest page the API gives.
	pageSize = 200
	// overlap is how many places of a page are on the next one too: a profile that is
	// still there shows that nothing moved.
	overlap = 1
	// leastBack is how many places the list is read again where something moved.
	leastBack = 25
	// pageTimeout is how long the engine may take to confirm the profiles of one.
	pageTimeout = 30 * time.Second
)

// enqueueItems queues the profiles of a page, and returns when the engine has
// confirmed all of them.
func (w *worker) enqueueItems(ctx context.Context, at listing, profiles []passfort.Profile) error {
	before := w.conn.LastError()
	queued := make([]jetstream.PubAckFuture, 0, len(profiles))
	for i := range profiles {
		t := task{at.Job, at.Kind, profiles[i].ID}
		body, err := json.Marshal(t)
		if err != nil {
			return err
		}
		future, err := w.js.PublishAsync(w.names.subject("jobs", "item", t.Job, token(t.ProfileID)), body,
			jetstream.WithMsgID(t.Job+"/"+token(t.ProfileID)))
		if err != nil {
			return w.engineError("store a profile of a job", before, err)
		}
		queued = append(queued, future)
	}
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	for _, future := range queued {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return w.engineError("store a profile of a job", before, err)
		case <-ctx.Done():
			return w.engineError("store a profile of a job", before, ctx.Err())
		}
	}
	return nil
}

func (w *worker) item(ctx context.Context, msg jetstream.Msg) {
	defer holding(msg, w.ackWait)()
	ctx = context.WithoutCancel(ctx)
	about, err := msg.Metadata()
	if err != nil {
		return
	}
	err = w.do(ctx, msg.Data(), about.NumDelivered)
	var refused *passfort.Error
	switch {
	case err == nil:
		w.counts.jobDone.Add(1)
	case errors.Is(err, errAlreadyDone):
		w.counts.jobAgain.Add(1)
	case errors.Is(err, errUnreadable):
		w.complain("a profile of a job was dropped", err)
		_ = msg.Term()
		return
	default:
		w.counts.jobRetries.Add(1)
		wait := min(time.Duration(min(about.NumDelivered, 60))*time.Second, time.Minute) //nolint:gosec // it is small
		if errors.As(err, &refused) && refused.RetryAfter > 0 {
			wait = min(refused.RetryAfter, time.Minute)
		} else {
			w.complain("a profile of a job was not done", err)
		}
		_ = msg.NakWithDelay(jittered(wait))
		return
	}
	_ = msg.Ack()
}

// do does what the job wants with one profile and records it. A refusal that no repeat
// would change is recorded too: every profile of a job has a record in the end.
func (w *worker) do(ctx context.Context, body []byte, tries uint64) error {
	var t task
	if err := json.Unmarshal(body, &t); err != nil {
		return errUnreadable
	}
	job := w.Jobs[t.Kind]
	if job == nil {
		return errUnknownKind
	}
	item := &Item{Job: t.Job, Kind: t.Kind, ProfileID: t.ProfileID, Tries: tries, fleet: w.Fleet}
	// A page that is listed late queues profiles anew that the engine no longer knows.
	if done, err := w.effect(ctx, item.effect()); err != nil || done != nil {
		return cmp.Or(err, errAlreadyDone)
	}
	result := outcome{Worker: w.name, Tries: tries}
	if err := safely(func() error { return job(ctx, item) }); err != nil {
		if result.Status = finalStatus(err); result.Status == 0 {
			return err
		}
		w.counts.jobRefused.Add(1)
	}
	result.At = time.Now()
	out, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return w.commit(ctx, &nats.Msg{Subject: item.effect(), Data: out})
}

// JobStatus is how far a job is.
type JobStatus struct {
	Kind  string
	Begun time.Time
	// Listed is how many profiles were put into the queue, Total how many the API
	// counts, which may change. Listed may count some twice if many were deleted.
	Listed, Total int
	// Recorded is how many profiles are done, or refused for good.
	Recorded int
	// Waiting is how many profiles are in the queue, of all jobs.
	Waiting int
	Paused  bool
	// Finished reports whether nothing is left to do.
	Finished bool
}

// Job reports how far a job is. The error is [ErrNoJob] if there is none of the name.
func (f *Fleet) Job(ctx context.Context, name string) (s JobStatus, err error) {
	// The listing first: what it counts was queued before, so that a job which is
	// Done has all its profiles in the queue or recorded.
	at, _, err := f.listing(ctx, name)
	if err != nil {
		return s, err
	}
	info, err := f.consumerInfo(ctx, jobStream, itemsConsumer)
	if err != nil {
		return s, err
	}
	s = JobStatus{
		Kind: at.Kind, Begun: at.Begun, Listed: at.Listed, Total: at.Total,
		Waiting: int(info.NumPending) + info.NumAckPending, //nolint:gosec // the queue is bounded
		Paused:  info.Paused,
	}
	s.Finished = at.Done && s.Waiting == 0
	s.Recorded, err = f.countEffects(ctx, f.names.subject("effects", "job", token(name), ">"))
	return s, err
}

// countEffects lets the engine count the effects on the subjects: it reports how
// many a consumer that would get them has before it.
func (f *Fleet) countEffects(ctx context.Context, subjects string) (int, error) {
	stream := f.names.stream(effectStream)
	consumer, err := ask(ctx, f, "count effects", func(ctx context.Context) (jetstream.Consumer, error) {
		return f.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
			FilterSubject: subjects, AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true,
			MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Second,
		})
	})
	if err != nil {
		return 0, err
	}
	info := consumer.CachedInfo()
	_ = f.js.DeleteConsumer(ctx, stream, info.Name)
	return int(info.NumPending), nil //nolint:gosec // it is a count of messages
}

// PauseJobs holds the jobs of the whole fleet, for a year unless [Fleet.ResumeJobs]
// lets them go on: the engine gives out no more work. What is in hand is finished.
func (f *Fleet) PauseJobs(ctx context.Context) error {
	until := time.Now().AddDate(1, 0, 0)
	return f.holdJobs(ctx, func(ctx context.Context, stream, name string) (*jetstream.ConsumerPauseResponse, error) {
		return f.js.PauseConsumer(ctx, stream, name, until)
	})
}

// ResumeJobs ends PauseJobs.
func (f *Fleet) ResumeJobs(ctx context.Context) error {
	return f.holdJobs(ctx, f.js.ResumeConsumer)
}

func (f *Fleet) holdJobs(
	ctx context.Context, hold func(context.Context, string, string) (*jetstream.ConsumerPauseResponse, error),
) error {
	for _, name := range []string{pagesConsumer, itemsConsumer} {
		_, err := ask(ctx, f, "consumer "+name, func(ctx context.Context) (*jetstream.ConsumerPauseResponse, error) {
			return hold(ctx, f.names.stream(jobStream), name)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
