package syncer

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// FindingKind says what a sweep found.
type FindingKind string

// The kinds of findings.
const (
	// FindingChanged is a profile that changed without a message that arrived. Repaired
	// by reading it.
	FindingChanged FindingKind = "changed at Passfort"
	// FindingEdited is a customer that changed without Edited. Repaired by sending it.
	FindingEdited FindingKind = "edited here"
	// FindingGone is a customer whose profile Passfort does not have.
	FindingGone FindingKind = "gone"
	// FindingNoCustomer is a profile without a customer. If it had one, whose row was
	// deleted, it has its key, and is not repaired. Otherwise repaired if its customer_ref is
	// the key of one, or by adding one, if its mapping has Add.
	FindingNoCustomer FindingKind = "no customer"
	// FindingNoProfile is a customer without a profile. Repaired by making one, if its
	// mapping says Create.
	FindingNoProfile FindingKind = "no profile"
	// FindingUnreadable is a customer or a profile with a value that does not fit.
	FindingUnreadable FindingKind = "unreadable"
)

// Finding is one thing that a sweep found.
type Finding struct {
	Kind FindingKind
	// Entity and Key are those of the customer, if there is one.
	Entity passfort.EntityType
	Key    string
	// ProfileID is that of the profile, if there is one.
	ProfileID string
	// Fields are the names of those that differ.
	Fields []string
	// Repaired reports whether the sweep adopted the profile, or gave Run the customer.
	Repaired bool
}

// Sweep says how Reconcile goes over all profiles.
type Sweep struct {
	// Name distinguishes sweeps that are under way at once. One that ended early is resumed
	// by the next call with its name.
	Name string
	// Repair makes Run bring in line what is found; otherwise it is only reported.
	Repair bool
	// PerSecond is how many profiles are read a second, 20 by default.
	PerSecond float64
	// Budget is how many profiles this call reads; 0 is no bound.
	Budget int
	// Found is called for each finding, one after the other, if it is not nil.
	Found func(Finding)
}

// Report is what a sweep did.
type Report struct {
	// Read is how many profiles were read.
	Read int
	// Skipped is how many customers were being brought in line at the moment.
	Skipped int
	// Found is how many findings of a kind there are, Repaired how many were repaired.
	Found    map[FindingKind]int
	Repaired int
	// Complete reports whether the sweep went over everything; otherwise its budget was
	// spent, and the next call resumes it.
	Complete bool
}

// errBudget means that a sweep ends early.
var errBudget = errors.New("the budget is spent")

// customerID is the primary key of a customer.
type customerID struct{ entity, key string }

// sweeping is a sweep under way.
type sweeping struct {
	*Syncer
	sweep Sweep

	// after is the customer that the sweep came to, and walk the profiles, once the
	// customers are done.
	after customerID
	walk  *passfort.Checkpoint

	mu     sync.Mutex
	report Report
	next   time.Time
}

// sweepWorkers is how many profiles a sweep reads at once.
const sweepWorkers = 4

// Reconcile compares every customer with its profile and with what both were when they
// last agreed, and finds what no message and no edit reported: run it every night, after
// webhooks were off or stalled, and after a change of a mapping. It makes no write at
// Passfort itself: what it repairs, Run brings in line by the usual rules. If ctx or the
// database ends it, the next call with the same name resumes it, and so it may be
// repeated.
func (s *Syncer) Reconcile(ctx context.Context, sweep Sweep) (*Report, error) {
	if sweep.PerSecond <= 0 {
		sweep.PerSecond = 20
	}
	w := &sweeping{Syncer: s, sweep: sweep, report: Report{Found: map[FindingKind]int{}}, next: time.Now()}
	if err := w.resume(ctx); err != nil {
		return &w.report, err
	}
	for _, part := range []func(context.Context) error{w.customers, w.profiles, w.unlinked} {
		err := part(ctx)
		if errors.Is(err, errBudget) {
			return &w.report, w.save(ctx)
		}
		if err != nil {
			return &w.report, errors.Join(err, w.save(ctx))
		}
	}
	w.report.Complete = true
	_, err := s.place.Exec(ctx, s.db, `DELETE FROM {table:sweeps} WHERE name = ?`, sweep.Name)
	s.Wake()
	return &w.report, err
}

// pace waits for the turn of a read.
func (w *sweeping) pace(ctx context.Context) error {
	w.mu.Lock()
	if w.sweep.Budget > 0 && w.report.Read >= w.sweep.Budget {
		w.mu.Unlock()
		return errBudget
	}
	w.report.Read++
	now := time.Now()
	wait := w.next.Sub(now)
	w.next = now.Add(max(wait, 0) + time.Duration(float64(time.Second)/w.sweep.PerSecond))
	w.mu.Unlock()
	if wait <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

func (w *sweeping) found(f Finding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Found[f.Kind]++
	if f.Repaired {
		w.report.Repaired++
	}
	if w.sweep.Found != nil {
		w.sweep.Found(f)
	}
}

// sweepPage is how many customers a sweep reads from the database at once.
const sweepPage = 200

// overProfiles stands for the entity in sweeps that have come to the profiles.
const overProfiles = "profiles"

// resume reads how far a sweep has come.
func (w *sweeping) resume(ctx context.Context) error {
	err := w.place.Row(ctx, w.db, []any{&w.after.entity, &w.after.key},
		`SELECT entity, after FROM {table:sweeps} WHERE name = ?`, w.sweep.Name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil || w.after.entity != overProfiles:
		return err
	}
	w.walk = &passfort.Checkpoint{}
	return json.Unmarshal([]byte(w.after.key), w.walk)
}

// save records how far the sweep has come, also when it is being stopped.
func (w *sweeping) save(ctx context.Context) error {
	if w.walk != nil {
		walk, err := json.Marshal(w.walk)
		if err != nil {
			return err
		}
		w.after.entity, w.after.key = overProfiles, string(walk)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	_, err := w.place.Exec(ctx, w.db, `INSERT INTO {table:sweeps} (name, entity, after) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET entity = excluded.entity, after = excluded.after`, w.sweep.Name,
		w.after.entity, w.after.key)
	return err
}

// customers compares every customer that has a profile.
func (w *sweeping) customers(ctx context.Context) error {
	if w.walk != nil {
		return nil
	}
	for {
		var page []customerID
		err := w.place.Each(ctx, w.db, func(scan func(...any) error) error {
			var c customerID
			err := scan(&c.entity, &c.key)
			page = append(page, c)
			return err
		}, `SELECT entity, customer_key FROM {table:customers} WHERE profile_id IS NOT NULL AND (entity > ?
			OR entity = ? AND customer_key > ?)
			ORDER BY entity, customer_key LIMIT ?`, w.after.entity, w.after.entity, w.after.key, sweepPage)
		if err != nil || len(page) == 0 {
			return err
		}
		done, err := w.compareAll(ctx, page)
		if done > 0 {
			w.after = page[done-1]
		}
		if err == nil {
			err = w.save(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// compareAll compares a page, several at once, and returns how many of its first
// customers are done.
func (w *sweeping) compareAll(ctx context.Context, page []customerID) (int, error) {
	errs := make([]error, len(page))
	indexes := make(chan int)
	var running sync.WaitGroup
	for range sweepWorkers {
		running.Go(func() {
			for i := range indexes {
				errs[i] = w.compare(ctx, page[i])
			}
		})
	}
	for i, c := range page {
		if w.mapping(passfort.EntityType(c.entity)) == nil {
			continue
		}
		// In order: what a spent budget leaves out is the end of the page.
		if errs[i] = w.pace(ctx); errs[i] != nil {
			break
		}
		indexes <- i
	}
	close(indexes)
	running.Wait()
	for i, err := range errs {
		if err != nil {
			return i, err
		}
	}
	return len(page), nil
}

// compare compares one customer with its profile.
func (w *sweeping) compare(ctx context.Context, at customerID) (err error) {
	defer func() {
		if v := recover(); v != nil { // of a Table or a Field
			err = &passfort.PanicError{Value: v}
		}
	}()
	m := w.mapping(passfort.EntityType(at.entity))
	// As it is before the profile is read.
	c, err := w.customerWhere(ctx, w.db, ` WHERE entity = ? AND customer_key = ?`, at.entity, at.key)
	if err != nil {
		return err
	}
	data, err := w.client.CollectedData.Get(ctx, c.profileID.String)
	finding := Finding{Entity: m.Entity, Key: c.key, ProfileID: c.profileID.String}
	if errors.Is(err, passfort.ErrNotFound) {
		finding.Kind, err = FindingGone, nil
		if !c.gone.Valid && w.sweep.Repair {
			_, err = w.place.Exec(ctx, w.db,
				`UPDATE {table:customers} SET gone_at = {now} WHERE entity = ? AND customer_key = ?
					AND gone_at IS NULL`, c.entity, c.key)
			finding.Repaired = err == nil
		}
		if err == nil {
			w.found(finding)
		}
		return err
	}
	if err != nil {
		return err
	}
	theirs, err := m.valuesOf(&data.EntityData)
	if err != nil || data.EntityType != m.Entity {
		finding.Kind = FindingUnreadable
		w.found(finding)
		return nil // one that cannot be read does not end the sweep
	}
	err = w.place.Tx(ctx, w.db, func(tx *sql.Tx) error { return w.judge(ctx, tx, m, c, theirs, &finding) })
	switch {
	case errors.Is(err, ErrValue):
		finding.Kind = FindingUnreadable
	case err != nil:
		return err
	}
	if finding.Kind != "" {
		w.found(finding)
	}
	return nil
}

// judge decides what a difference is, with the customer locked: nothing, if a process is
// at it, or was since it was read.
func (w *sweeping) judge(
	ctx context.Context, tx *sql.Tx, m *Mapping, c *customer, theirs Values, finding *Finding,
) error {
	_, ours, err := w.load(ctx, tx, m, c.key)
	if errors.Is(err, sql.ErrNoRows) {
		finding.Kind = FindingNoCustomer
		return w.erase(ctx, tx, c.entity, c.key)
	}
	if err != nil {
		return err
	}
	now, err := w.customerWhere(ctx, tx, ` WHERE entity = ? AND customer_key = ? {update}`, c.entity, c.key)
	if err != nil {
		return err
	}
	var working int
	if err := w.place.Row(ctx, tx, []any{&working},
		`SELECT COUNT(*) FROM {table:work} WHERE entity = ? AND customer_key = ?`, c.entity, c.key); err != nil {
		return err
	}
	if working > 0 || now.version != c.version {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.report.Skipped++
		return nil
	}
	changed, edited := m.changes(c.base, theirs), m.changes(c.base, ours)
	switch {
	case len(changed) > 0, c.version == 0, c.gone.Valid:
		finding.Kind = FindingChanged
	case len(edited) > 0:
		finding.Kind, changed = FindingEdited, edited
	case c.fields != m.version():
		finding.Kind = FindingChanged
	default:
		return nil
	}
	for name := range changed {
		finding.Fields = append(finding.Fields, name)
	}
	slices.Sort(finding.Fields)
	if w.sweep.Repair {
		finding.Repaired = true
		return w.mark(ctx, tx, c.entity, c.key)
	}
	return nil
}

// profilesPage is how many profiles are listed at once.
const profilesPage = 200

// profiles looks for profiles without a customer, from where the sweep came to.
func (w *sweeping) profiles(ctx context.Context) error {
	if w.walk == nil {
		w.walk = &passfort.Checkpoint{}
	}
	n := 0
	for p, err := range w.client.Profiles.All(ctx, &passfort.ProfileListOptions{Limit: profilesPage,
		Checkpoint: w.walk}) {
		if err == nil {
			err = w.profile(ctx, p)
		}
		if err != nil {
			return err
		}
		w.walk.Add(p)
		if n++; n%sweepPage == 0 {
			if err := w.save(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// profile reports a profile if it has no customer, or adopts it.
func (w *sweeping) profile(ctx context.Context, p *passfort.Profile) error {
	linked, err := w.linked(ctx, p.ID)
	if err != nil || linked {
		return err
	}
	if err := w.pace(ctx); err != nil {
		return err
	}
	ref, entity, err := w.refOf(ctx, p)
	if err != nil || w.mapping(entity) == nil { // of a kind that is not kept in step
		return err
	}
	finding := Finding{Kind: FindingNoCustomer, Entity: entity, ProfileID: p.ID}
	if w.sweep.Repair {
		if finding.Key, err = w.adoptRef(ctx, p.ID, ref, entity); err != nil {
			return err
		}
		finding.Repaired = finding.Key != ""
	}
	if !finding.Repaired {
		if err := w.remember(ctx, p, ref, entity); err != nil {
			return err
		}
	}
	w.found(finding)
	return nil
}

// unlinked looks for customers without a profile.
func (w *sweeping) unlinked(ctx context.Context) error {
	for i := range w.mappings {
		m := &w.mappings[i]
		for after := ""; ; {
			keys, err := m.Table.Keys(ctx, w.db, after, sweepPage)
			if err != nil {
				return err
			}
			for _, key := range keys {
				after = key
				if err := w.unlinkedKey(ctx, m, key); err != nil {
					return err
				}
			}
			if len(keys) < sweepPage {
				break
			}
		}
	}
	return nil
}

func (w *sweeping) unlinkedKey(ctx context.Context, m *Mapping, key string) error {
	var known int
	err := w.place.Row(ctx, w.db, []any{&known},
		`SELECT (SELECT COUNT(*) FROM {table:customers} WHERE entity = ? AND customer_key = ?
			AND profile_id IS NOT NULL)
		+ (SELECT COUNT(*) FROM {table:work} WHERE entity = ? AND customer_key = ?)`, string(
			m.Entity,
		), key, string(m.Entity), key)
	if err != nil || known > 0 {
		return err
	}
	finding := Finding{Kind: FindingNoProfile, Entity: m.Entity, Key: key}
	if w.sweep.Repair && m.Create {
		if err := w.mark(ctx, w.db, string(m.Entity), key); err != nil {
			return err
		}
		finding.Repaired = true
	}
	w.found(finding)
	return nil
}
