package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
)

// kind says what a bulk job does with each profile.
type kind string

// The kinds of bulk jobs.
const (
	// kindResync writes the name of the job into the custom fields of each
	// profile: the place of your own data.
	kindResync kind = "resync"
	// kindRecheck runs one check on each profile.
	kindRecheck kind = "recheck"
)

// resyncField is the custom field that a resync sets.
const resyncField = "last_resync"

// recheckType is the check that a recheck runs.
const recheckType = passfort.CheckTypeIdentityCheck

// listing is how far a job was listed. It travels with the task to list the
// next page, so a crash resumes at the page in hand.
type listing struct {
	Job    string    `json:"job"`
	Kind   kind      `json:"kind"`
	Begun  time.Time `json:"begun"`
	Offset int       `json:"offset"`
	Listed int       `json:"listed"`
	Total  int       `json:"total"` // as the API counts; it may change
	Done   bool      `json:"done"`
}

// work is one profile of a job.
type work struct {
	Job       string `json:"job"`
	Kind      kind   `json:"kind"`
	ProfileID string `json:"profile"`
}

func (w work) effect() string { return "effects.bulk." + token(w.Job) + "." + token(w.ProfileID) }
func (w work) intent() string { return "effects.intent." + token(w.Job) + "." + token(w.ProfileID) }

// workEffect is what is recorded of a profile of a job.
type workEffect struct {
	Worker string    `json:"worker"`
	Tries  uint64    `json:"tries"`
	Status int       `json:"status,omitempty"` // of a refusal that no repeat would change
	At     time.Time `json:"at"`
}

// bulk takes part in the bulk jobs of the fleet.
type bulk struct {
	js      jetstream.JetStream
	effects *effects
	client  *passfort.Client
	name    string
	ackWait time.Duration
	queue   int64 // how many profiles may wait
	log     *slog.Logger

	pages   atomic.Int64
	done    atomic.Int64
	again   atomic.Int64
	retried atomic.Int64
	refused atomic.Int64
}

// begin puts the first page of a job into the queue. The workers do the rest.
func begin(ctx context.Context, js jetstream.JetStream, job string, k kind) error {
	first := listing{Job: token(job), Kind: k, Begun: time.Now()}
	if err := saveListing(ctx, js, first); err != nil {
		return err
	}
	return enqueuePage(ctx, js, first)
}

func enqueuePage(ctx context.Context, js jetstream.JetStream, l listing) error {
	body, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = js.Publish(ctx, "bulk.page."+l.Job, body, jetstream.WithMsgID(fmt.Sprintf("%s/page/%d", l.Job, l.Offset)))
	return err
}

// saveListing records how far a job was listed, unless it is known to be
// further: a worker that was thought dead may come late.
func saveListing(ctx context.Context, js jetstream.JetStream, l listing) error {
	jobs, err := js.KeyValue(ctx, jobBucket)
	if err != nil {
		return err
	}
	body, err := json.Marshal(l)
	if err != nil {
		return err
	}
	for {
		entry, err := jobs.Get(ctx, l.Job)
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
			_, err = jobs.Create(ctx, l.Job, body)
			if !errors.Is(err, jetstream.ErrKeyExists) {
				return err
			}
			continue
		case err != nil:
			return err
		}
		var known listing
		if err := json.Unmarshal(entry.Value(), &known); err == nil &&
			(known.Done || known.Offset >= l.Offset && !l.Done) {
			return nil
		}
		_, err = jobs.Update(ctx, l.Job, body, entry.Revision())
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			return err
		}
	}
}

// runPages lists, one page after the other, until ctx ends.
func (b *bulk) runPages(ctx context.Context) {
	consume(ctx, b.js, bulkStream, pagesConsumer, 1, func(msg jetstream.Msg) { b.page(ctx, msg) })
}

// runItems does the work of one profile after the other, until ctx ends. Start
// it as often as profiles shall be worked on at once.
func (b *bulk) runItems(ctx context.Context) {
	consume(ctx, b.js, bulkStream, itemsConsumer, 1, func(msg jetstream.Msg) { b.item(ctx, msg) })
}

func (b *bulk) page(ctx context.Context, msg jetstream.Msg) {
	defer holding(msg, b.ackWait)()
	err := b.list(ctx, msg.Data())
	switch {
	case err == nil:
		_ = msg.Ack()
		return
	case errors.Is(err, errUnreadable):
		_ = msg.Term()
		return
	case !errors.Is(err, errQueueFull) && ctx.Err() == nil:
		b.retried.Add(1)
		b.log.Warn("a page was not listed", "error_type", fmt.Sprintf("%T", err))
	}
	_ = msg.NakWithDelay(jittered(500 * time.Millisecond))
}

// errQueueFull: there is enough to do, so listing waits.
var errQueueFull = errors.New("the queue of bulk jobs is full")

// list reads a page, queues its profiles and then the page after it. If it is
// cut short and repeated, the engine drops what it has already.
func (b *bulk) list(ctx context.Context, body []byte) error {
	var at listing
	if err := json.Unmarshal(body, &at); err != nil {
		return errUnreadable
	}
	stream, err := b.js.Stream(ctx, bulkStream)
	if err != nil {
		return err
	}
	if int64(stream.CachedInfo().State.Msgs)+pageSize > b.queue {
		return errQueueFull
	}
	page, err := b.client.Profiles.List(ctx, &passfort.ProfileListOptions{Limit: pageSize, Offset: at.Offset})
	if err != nil {
		return err
	}
	if err := b.enqueue(ctx, at, page.Results); err != nil {
		return err
	}
	b.pages.Add(1)
	next := at
	next.Offset += pageSize
	next.Listed += len(page.Results)
	if page.Count != nil {
		next.Total = *page.Count
	}
	if page.Count == nil && len(page.Results) == 0 || page.Count != nil && next.Offset >= *page.Count {
		next.Done = true
	} else if err := enqueuePage(ctx, b.js, next); err != nil {
		return err
	}
	return saveListing(ctx, b.js, next)
}

const (
	// pageSize is the largest page the API gives.
	pageSize = 200
	// pageTimeout is how long the engine may take to confirm the profiles of one.
	pageTimeout = 30 * time.Second
)

// enqueue queues the profiles of a page, and returns when the engine has
// confirmed all of them.
func (b *bulk) enqueue(ctx context.Context, at listing, profiles []passfort.Profile) error {
	queued := make([]jetstream.PubAckFuture, 0, len(profiles))
	for i := range profiles {
		w := work{at.Job, at.Kind, profiles[i].ID}
		body, err := json.Marshal(w)
		if err != nil {
			return err
		}
		future, err := b.js.PublishAsync("bulk.item."+w.Job+"."+token(w.ProfileID), body,
			jetstream.WithMsgID(w.Job+"/"+token(w.ProfileID)))
		if err != nil {
			return err
		}
		queued = append(queued, future)
	}
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	for _, future := range queued {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (b *bulk) item(ctx context.Context, msg jetstream.Msg) {
	defer holding(msg, b.ackWait)()
	ctx = context.WithoutCancel(ctx)
	about, err := msg.Metadata()
	if err != nil {
		return
	}
	err = b.work(ctx, msg.Data(), about.NumDelivered)
	var refused *passfort.Error
	switch {
	case err == nil:
		b.done.Add(1)
	case errors.Is(err, errAlreadyDone):
		b.again.Add(1)
	case errors.Is(err, errUnreadable):
		_ = msg.Term()
		return
	default:
		b.retried.Add(1)
		wait := min(time.Duration(about.NumDelivered)*time.Second, time.Minute)
		if errors.As(err, &refused) && refused.RetryAfter > 0 {
			wait = min(refused.RetryAfter, time.Minute)
		} else {
			b.log.Warn("a profile of a bulk job was not done", "error_type", fmt.Sprintf("%T", err), "tries",
				about.NumDelivered)
		}
		_ = msg.NakWithDelay(jittered(wait))
		return
	}
	_ = msg.Ack()
}

// final are the statuses of a refusal that is about the profile, such as one
// that was deleted since. Others, such as that of a key that is not accepted,
// are about the job: it waits until it is helped.
var final = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity}

// work does what the job wants with one profile and records it. A refusal that
// no repeat would change is recorded too: every profile of a job has a record
// in the end.
func (b *bulk) work(ctx context.Context, body []byte, tries uint64) error {
	var w work
	if err := json.Unmarshal(body, &w); err != nil {
		return errUnreadable
	}
	if tries > 1 {
		if done, err := b.effects.find(ctx, w.effect()); err != nil || done != nil {
			return cmp.Or(err, errAlreadyDone)
		}
	}
	record := workEffect{Worker: b.name, Tries: tries}
	err := b.act(ctx, w)
	var refused *passfort.Error
	switch {
	case err == nil:
	case errors.As(err, &refused) && slices.Contains(final, refused.StatusCode):
		record.Status = refused.StatusCode
		b.refused.Add(1)
	default:
		return err
	}
	record.At = time.Now()
	out, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return b.effects.commit(ctx, w.effect(), out)
}

func (b *bulk) act(ctx context.Context, w work) error {
	if w.Kind == kindRecheck {
		return b.recheck(ctx, w)
	}
	// Update reads before it writes, and writes only if something is to be
	// changed and the data is unchanged: a repeat finds it done.
	_, err := b.client.CollectedData.Update(ctx, w.ProfileID, func(data *passfort.EntityData) error {
		if data.CustomFieldsData == nil {
			data.CustomFieldsData = map[string]any{}
		}
		data.CustomFieldsData[resyncField] = w.Job
		return nil
	})
	return err
}

// recheck runs a check, which costs money and which the API does not know again
// when it is repeated. So the checks that are there are written down first. A
// worker that finds such a note, because the one before it died, looks for a
// check that is not on it.
func (b *bulk) recheck(ctx context.Context, w work) error {
	before, err := b.checksOf(ctx, w.ProfileID)
	if err != nil {
		return err
	}
	note, err := json.Marshal(before)
	if err != nil {
		return err
	}
	err = b.effects.commit(ctx, w.intent(), note)
	if errors.Is(err, errAlreadyDone) {
		if note, err = b.effects.find(ctx, w.intent()); err != nil {
			return err
		}
		var noted []string
		if err := json.Unmarshal(note, &noted); err != nil {
			return err
		}
		if slices.ContainsFunc(before, func(id string) bool { return !slices.Contains(noted, id) }) {
			return nil
		}
	} else if err != nil {
		return err
	}
	_, err = b.client.Checks.Run(ctx, w.ProfileID, &passfort.CheckRequest{
		Type: recheckType, Mode: passfort.CheckModeAsync,
	})
	return err
}

func (b *bulk) checksOf(ctx context.Context, profileID string) ([]string, error) {
	checks, err := b.client.Checks.List(ctx, profileID)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, c := range checks {
		if c.Type == recheckType {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

// progress is how far a job is.
type progress struct {
	listing
	Recorded int // profiles with a record
	Waiting  int // profiles in the queue, of all jobs
	Paused   bool
}

// Finished reports whether nothing is left to do.
func (p progress) Finished() bool { return p.Done && p.Waiting == 0 }

func progressOf(ctx context.Context, js jetstream.JetStream, job string) (progress, error) {
	var p progress
	jobs, err := js.KeyValue(ctx, jobBucket)
	if err != nil {
		return p, err
	}
	// The listing first: what it counts was queued before, so that a job which is
	// Done has all its profiles in the queue or recorded.
	entry, err := jobs.Get(ctx, token(job))
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(entry.Value(), &p.listing); err != nil {
		return p, err
	}
	items, err := js.Consumer(ctx, bulkStream, itemsConsumer)
	if err != nil {
		return p, err
	}
	info := items.CachedInfo()
	p.Waiting, p.Paused = int(info.NumPending)+info.NumAckPending, info.Paused
	p.Recorded, err = countEffects(ctx, js, "effects.bulk."+token(job)+".>")
	return p, err
}

// countEffects lets the engine count the effects on the subjects: it reports how
// many a consumer that would get them has before it.
func countEffects(ctx context.Context, js jetstream.JetStream, subjects string) (int, error) {
	consumer, err := js.CreateConsumer(ctx, effectStream, jetstream.ConsumerConfig{
		FilterSubject: subjects, AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Second,
	})
	if err != nil {
		return 0, err
	}
	info := consumer.CachedInfo()
	_ = js.DeleteConsumer(ctx, effectStream, info.Name)
	return int(info.NumPending), nil
}

// hold pauses the bulk jobs of the whole fleet, for a year unless a person lets them
// go on: the engine gives out no more work. What is in hand is finished.
func hold(ctx context.Context, js jetstream.JetStream) error {
	for _, name := range []string{pagesConsumer, itemsConsumer} {
		if _, err := js.PauseConsumer(ctx, bulkStream, name, time.Now().AddDate(1, 0, 0)); err != nil {
			return err
		}
	}
	return nil
}

// letGo ends hold.
func letGo(ctx context.Context, js jetstream.JetStream) error {
	for _, name := range []string{pagesConsumer, itemsConsumer} {
		if _, err := js.ResumeConsumer(ctx, bulkStream, name); err != nil {
			return err
		}
	}
	return nil
}
