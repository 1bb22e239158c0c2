package passfort

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort/internal/poll"
	"github.com/passfort-go/passfort/internal/transport"
	"github.com/passfort-go/passfort/internal/wire"
)

// CollectedDataService reads and changes the collected data of profiles
// (docs/api/profiles.md#etags, docs/api/profiles.md#full-replacement). The API replaces all of it
// with each write and merges nothing; an ETag changes with each write of others.
// Update does all of this for you.
type CollectedDataService struct {
	road  *road
	turns *turns
}

// CollectedData is the collected data of a profile and the version that was
// read. Its JSON is that of the EntityData alone. Its other forms (text, binary,
// BSON) hold the ETag too, so that a cache gives back what Replace takes.
type CollectedData struct {
	EntityData
	// ETag is opaque and goes back unchanged.
	ETag string `json:"-"`
}

// Clone returns a copy that shares nothing with the value, with its ETag.
func (v *CollectedData) Clone() *CollectedData { return wire.Clone(v) }

// versioned is collected data and its ETag in one JSON object.
type versioned struct {
	Data *EntityData `json:"collected_data"`
	ETag string      `json:"etag"`
}

func (v CollectedData) versioned() *versioned { return &versioned{Data: &v.EntityData, ETag: v.ETag} }

// take reads what decode decodes: with an ETag or, as JSON is, without.
func (v *CollectedData) take(decode func(any) error) error {
	var whole versioned
	if err := decode(&whole); err != nil {
		return err
	}
	if whole.Data == nil {
		v.ETag = ""
		return decode(&v.EntityData)
	}
	v.EntityData, v.ETag = *whole.Data, whole.ETag
	return nil
}

// MarshalText returns the collected data and its ETag as JSON, for encoders such as
// YAML, TOML and XML.
func (v CollectedData) MarshalText() ([]byte, error) { return wire.Marshal(v.versioned()) }

// UnmarshalText decodes what MarshalText returned, or the JSON of an EntityData.
func (v *CollectedData) UnmarshalText(text []byte) error {
	return v.take(func(into any) error { return wire.UnmarshalJSON(text, into) })
}

// MarshalBinary returns what MarshalText does, for encoders such as gob,
// MessagePack and CBOR.
func (v CollectedData) MarshalBinary() ([]byte, error) { return v.MarshalText() }

// UnmarshalBinary decodes what MarshalBinary returned.
func (v *CollectedData) UnmarshalBinary(data []byte) error { return v.UnmarshalText(data) }

// MarshalBSON returns a BSON document with what MarshalText returns under the name
// json.
func (v CollectedData) MarshalBSON() ([]byte, error) { return wire.MarshalBSON(v.versioned()) }

// UnmarshalBSON decodes what MarshalBSON returned, and ignores an _id beside it.
func (v *CollectedData) UnmarshalBSON(doc []byte) error {
	return v.take(func(into any) error { return wire.UnmarshalBSON(doc, into) })
}

// UnmarshalYAML decodes the text that MarshalText returned, and refuses other YAML.
func (v *CollectedData) UnmarshalYAML(unmarshal func(any) error) error {
	return v.take(func(into any) error { return wire.UnmarshalYAML(unmarshal, into) })
}

// Get reads collected data. It is not audited, so it may be read often.
func (s *CollectedDataService) Get(ctx context.Context, profileID string, opts ...CallOption) (*CollectedData, error) {
	v, err := s.read(ctx, profileID, opts)
	if err != nil {
		return nil, err
	}
	return v.own()
}

// Update reads the collected data, calls change with it, and sends the whole
// back if change made a difference; if not, nothing is sent. When another
// writer came in between, change is called again with their data, so neither
// change is lost: change may run several times and must work on what it is
// given. An error of change ends Update and is returned as it is.
//
// The result is what is stored then. Passfort may add to what was sent, for
// example the parts of a freeform address. Checks that were run on the old data
// are not run again.
//
// If an answer was lost, Update finds out whether the write was done. When it
// cannot tell, the error is ErrOutcomeUnknown, and if the data could be read
// since, errors.As finds a *ConflictError with it. A change that sets values may
// then be given to Update again; one that appends has to look first.
//
// A 412 is a lost race if the data or the ETag moved since it was read. After 50
// writes that lost, the error is a *ConflictError that is ErrPreconditionFailed. A
// 412 without a race would come out the same way again, for example because a
// gateway changes ETags: after at most two writes the error is a *ConflictError
// with Stuck set. The API allows 10,000 writes an hour. Updates of one profile
// through one Client take turns, so that they do not spend it on racing each
// other, and one that waited goes on from what the one before it stored.
func (s *CollectedDataService) Update(
	ctx context.Context, profileID string, change func(*EntityData) error, opts ...CallOption,
) (*CollectedData, error) {
	if change == nil {
		return nil, s.road.refuse("CollectedData.Replace", "the change function is nil")
	}
	if ctx == nil {
		return nil, s.road.refuse("CollectedData.Replace", "the context is nil")
	}
	now, turn := s.turns.take(ctx, profileID)
	var left *version // for the update that waits
	defer func() { turn.end(left) }()
	if now == nil {
		var err error
		if now, err = s.read(ctx, profileID, opts); err != nil {
			return nil, err
		}
	}
	unmoved := 0 // writes in a row that were refused without a write of others
	for race := 1; ; race++ {
		before, after, err := now.changed(s.road, change)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(before, after) {
			return now.own()
		}
		if now.etag == "" {
			return nil, s.road.refuse("CollectedData.Replace",
				"the server sent no ETag, so a write could undo another writer's")
		}
		began := time.Now()
		stored, err := s.write(ctx, profileID, after, now.etag, false, opts)
		if err == nil {
			if stored.etag != "" && stored.data.EntityType != "" {
				left = stored
			}
			return stored.own()
		}
		took := time.Since(began)
		latest, latestErr := s.latest(ctx, profileID, now, err, opts)
		if latestErr != nil {
			return nil, err
		}
		if errors.Is(err, ErrOutcomeUnknown) {
			return latest.afterUnknown(s.road, before, after, change, err)
		}
		if unmoved++; !wire.Equal(now.raw, latest.raw) {
			unmoved = 0
		}
		if unmoved == 2 || unmoved == 1 && latest.etag == now.etag {
			return nil, conflict(latest, true, err)
		}
		if race == maxWrites {
			return nil, conflict(latest, false, err)
		}
		now = latest
		turn.raced()
		if _, stopped := poll.Pause(ctx, racePause(race, took), nil); stopped != nil {
			return nil, errors.Join(conflict(latest, false, err), stopped)
		}
		if race < crowd {
			continue
		}
		// Many write: what the refusal brought is old after the pause.
		if now, err = s.read(ctx, profileID, opts); err != nil {
			return nil, errors.Join(conflict(latest, false, err), err)
		}
	}
}

// Replace sends data as the whole of the collected data, if it is still at the
// version data.ETag: the version that was read. Otherwise nothing is done and
// the error is a *ConflictError with the latest data, which is
// ErrPreconditionFailed; its Stuck reports that the data is unchanged since it was read, so
// that the same call would be refused again. If an answer was lost and the data is another since,
// the *ConflictError is ErrOutcomeUnknown instead: data may have been written
// before that. What data does not hold is removed at Passfort; prefer
// Update. It may be repeated safely and is, within the retry policy. An empty
// ETag is refused here unless Overwrite is given.
func (s *CollectedDataService) Replace(
	ctx context.Context, profileID string, data *CollectedData, opts ...CallOption,
) (*CollectedData, error) {
	settings := settingsOf(opts)
	switch {
	case data == nil:
		return nil, s.road.refuse("CollectedData.Replace", "the collected data is nil")
	case data.EntityType == "":
		return nil, s.road.refuse("CollectedData.Replace",
			"the collected data has no entity type, so it is not all of it")
	case data.ETag == "*" && !settings.overwrite:
		return nil, s.road.refuse("CollectedData.Replace",
			"the ETag * is every version: give Overwrite to replace whatever is stored")
	case data.ETag == "" && !settings.overwrite:
		return nil, s.road.refuse("CollectedData.Replace",
			"the ETag is empty: read the data first, or give Overwrite to replace whatever is there")
	}
	after, err := wire.Marshal(&data.EntityData)
	if err != nil {
		return nil, s.road.refuse("CollectedData.Replace", "the collected data cannot be encoded: "+err.Error())
	}
	stored, err := s.write(ctx, profileID, after, data.ETag, settings.overwrite, opts)
	if err == nil {
		return stored.own()
	}
	latest, latestErr := s.latest(ctx, profileID, nil, err, opts)
	switch {
	case latestErr != nil:
		return nil, err
	case errors.Is(err, ErrOutcomeUnknown) && wire.Equal(after, latest.raw):
		return latest.own()
	default:
		return nil, conflict(latest, latest.etag == data.ETag && !errors.Is(err, ErrOutcomeUnknown), err)
	}
}

// Overwrite makes Replace write over whatever is there, without a precondition:
// the last writer wins. Such a write is sent once, and its outcome may be
// unknown.
func Overwrite() CallOption { return func(s *callSettings) { s.overwrite = true } }

const (
	// maxWrites bounds the writes of one Update.
	maxWrites = 50
	// crowd is how many lost races show that many write.
	crowd = 3
	// shortPause is the least that a lost race is waited after, about, and
	// longPause the most.
	shortPause, longPause = 5 * time.Millisecond, 2 * time.Second
)

// racePause spreads writers that lost the same race, the more of them the longer.
// It grows with the time that a write takes: within that time only one of them
// can win.
func racePause(race int, took time.Duration) time.Duration {
	window := max(took, shortPause)
	for range min(race-1, 5) {
		window = 2 * min(window, longPause/2)
	}
	return rand.N(window)
}

// version is collected data as it was at one moment.
type version struct {
	etag  string
	raw   []byte
	data  *CollectedData // raw, decoded; nil once it has an owner
	asked time.Time      // when the write was begun that stored it
}

// own returns the data to an owner who may change it.
func (v *version) own() (*CollectedData, error) {
	if data := v.data; data != nil {
		v.data = nil
		return data, nil
	}
	data := &CollectedData{ETag: v.etag}
	return data, wire.Unmarshal(v.raw, &data.EntityData)
}

// uncompressed asks for an answer that no gateway compresses: some change the
// ETag when they do, and then refuse what they gave.
func uncompressed() http.Header { return http.Header{"Accept-Encoding": {"identity"}} }

func (s *CollectedDataService) read(ctx context.Context, profileID string, opts []CallOption) (*version, error) {
	data := new(CollectedData)
	got, err := s.road.do(ctx, "CollectedData.Get", call{
		args: []string{profileID}, header: uncompressed(), out: &data.EntityData, opts: opts,
	})
	if err != nil {
		return nil, err
	}
	data.ETag = got.header.Get("Etag")
	return &version{etag: data.ETag, raw: got.body, data: data}, nil
}

func (s *CollectedDataService) write(
	ctx context.Context, profileID string, body []byte, etag string, overwrite bool, opts []CallOption,
) (*version, error) {
	data, asked := new(CollectedData), time.Now()
	op, header := operationNamed("CollectedData.Replace"), uncompressed()
	if overwrite {
		op.class = transport.Once
	} else {
		header["If-Match"] = []string{etag}
	}
	got, err := s.road.send(ctx, op, call{
		args: []string{profileID}, header: header, body: json.RawMessage(body), out: &data.EntityData, opts: opts,
	})
	if err != nil {
		return nil, err
	}
	data.ETag = got.header.Get("Etag")
	return &version{etag: data.ETag, raw: got.body, data: data, asked: asked}, nil
}

// latest returns the data after a write that failed: from a 412 answer, which
// holds data and ETag, or by reading it if one of them is missing, if nothing
// moved since the version before, or if the write may have been done. Any other
// failure says nothing about the data.
func (s *CollectedDataService) latest(
	ctx context.Context, profileID string, before *version, writeErr error, opts []CallOption,
) (*version, error) {
	var failed *Error
	if !errors.As(writeErr, &failed) {
		return nil, writeErr
	}
	if failed.StatusCode == http.StatusPreconditionFailed {
		refusal := failed.answer()
		data, doc := &CollectedData{ETag: refusal.header.Get("Etag")}, wire.Look(refusal.body, "", true)
		if data.ETag != "" && len(failed.Errors) == 0 &&
			doc.Unmarshal(&data.EntityData, nil, s.road.room(doc)) == nil && data.EntityType != "" {
			got := &version{etag: data.ETag, raw: refusal.body, data: data}
			if before == nil || data.ETag != before.etag || !wire.Equal(got.raw, before.raw) {
				return got, nil
			}
		}
	} else if failed.Outcome != OutcomeUnknown {
		return nil, writeErr
	}
	return s.read(ctx, profileID, opts)
}

// changed runs change on a copy of the data and returns it before and after.
func (v *version) changed(r *road, change func(*EntityData) error) (before, after []byte, err error) {
	owned, err := v.own()
	if err != nil {
		return nil, nil, r.refuse("CollectedData.Replace", describe(err))
	}
	scratch := &owned.EntityData
	if before, err = wire.Marshal(scratch); err != nil {
		return nil, nil, r.refuse("CollectedData.Replace", "the collected data cannot be encoded: "+err.Error())
	}
	if scratch.EntityType == "" {
		return nil, nil, r.refuse("CollectedData.Replace",
			"the server answered with data that has no entity type, so it is not all of it")
	}
	if err := change(scratch); err != nil {
		return nil, nil, err
	}
	if scratch.EntityType == "" {
		return nil, nil, r.refuse("CollectedData.Replace",
			"the change left no entity type: it was given the data to change, not to make anew")
	}
	if after, err = wire.Marshal(scratch); err != nil {
		return nil, nil, r.refuse("CollectedData.Replace", "the changed data cannot be encoded: "+err.Error())
	}
	return before, after, nil
}

// afterUnknown decides, with the data as it is now, how a write ended whose
// answer was lost. It was done if the data holds all that it sent, and it need
// not be done if the change finds nothing left to do.
func (v *version) afterUnknown(
	r *road, before, after []byte, change func(*EntityData) error, lost error,
) (*CollectedData, error) {
	if wire.Covers(before, after, v.raw) {
		return v.own()
	}
	base, again, err := v.changed(r, change)
	if err == nil && bytes.Equal(base, again) {
		return v.own()
	}
	return nil, conflict(v, false, lost)
}

// ConflictError says that collected data is not what a write expected. Nothing
// was written, unless it is also ErrOutcomeUnknown.
type ConflictError struct {
	// Latest is the data and the ETag as they are now. No print form shows it.
	Latest *CollectedData `json:"-"`
	// Stuck says that the same write would be refused again: the data and the ETag
	// did not move since they were read, or only the ETag did, twice. Something
	// between this program and Passfort changes ETags or answers 412 on its own.
	Stuck bool

	failed error
}

func conflict(latest *version, stuck bool, failed error) error {
	data, err := latest.own()
	if err != nil {
		return failed
	}
	return &ConflictError{Latest: data, Stuck: stuck, failed: failed}
}

// Error returns the text of the failed write, and whether it is stuck.
func (e *ConflictError) Error() string {
	if e.Stuck {
		return failedText(e.failed) +
			": the data is unchanged, so something between here and Passfort refuses or changes ETags"
	}
	return failedText(e.failed)
}

// MarshalText returns what Error returns, for encoders such as YAML, TOML and XML.
func (e ConflictError) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBinary returns what Error returns, for encoders such as MessagePack and CBOR.
func (e ConflictError) MarshalBinary() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBSON fails: an error is no document.
func (e ConflictError) MarshalBSON() ([]byte, error) { return nil, errNoDocument }

// Unwrap returns the *Error of the failed write.
func (e *ConflictError) Unwrap() error { return e.failed }

// Format prints what Error returns for every verb.
func (e ConflictError) Format(f fmt.State, verb rune) { formatText(f, verb, e.Error()) }

// GoString returns what Error returns.
func (e ConflictError) GoString() string { return e.Error() }

// LogValue returns what Error returns.
func (e ConflictError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// MarshalJSON encodes what Error returns, as a string.
func (e ConflictError) MarshalJSON() ([]byte, error) { return jsonText(&e), nil }

// turns lets the updates of one profile through one Client follow each other,
// so that they do not spend the account's quota on races that only one of them
// can win. It is a courtesy and no lock: whenever the line has not moved for as
// long as patience, one of those who wait goes ahead, and the ETag decides as it
// does between processes. So an update inside the change function of another one
// of the same profile gets through.
type turns struct {
	mu    sync.Mutex
	lines map[string]*line
}

// line is the updates of one profile.
type line struct {
	turn    chan *version // holds one while the turn is free: what was stored last, or nil
	waiting int           // how many wait or have the turn
	moved   atomic.Int64  // how many turns have ended, raced or were not waited for
}

// patience is how long an update waits while the line stands still.
const patience = time.Second

// turn is the place of one update in a line.
type turn struct {
	turns     *turns
	line      *line
	profileID string
	has       bool // it came, and was not gone ahead of
}

// take waits for the turn of a profile. If a write that began since then stored a
// version, that is returned too.
func (t *turns) take(ctx context.Context, profileID string) (stored *version, taken *turn) {
	came := time.Now()
	t.mu.Lock()
	if t.lines == nil {
		t.lines = map[string]*line{}
	}
	l := t.lines[profileID]
	if l == nil {
		l = &line{turn: make(chan *version, 1)}
		l.turn <- nil
		t.lines[profileID] = l
	}
	l.waiting++
	t.mu.Unlock()

	stored, has := l.wait(ctx)
	if stored != nil && stored.asked.Before(came) {
		stored = nil
	}
	return stored, &turn{t, l, profileID, has}
}

// raced notes that a write lost a race: the line does not stand still meanwhile.
func (n *turn) raced() {
	if n.has {
		n.line.moved.Add(1)
	}
}

// end gives the turn to the next update, with what was stored.
func (n *turn) end(left *version) {
	if n.has {
		n.line.moved.Add(1)
		n.line.turn <- left
	}
	n.turns.mu.Lock()
	defer n.turns.mu.Unlock()
	if n.line.waiting--; n.line.waiting == 0 {
		delete(n.turns.lines, n.profileID)
	}
}

// wait reports whether the turn came, and returns what it holds.
func (l *line) wait(ctx context.Context) (stored *version, has bool) {
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	for moved := l.moved.Load(); ; {
		select {
		case stored := <-l.turn:
			return stored, true
		case <-ctx.Done():
			return nil, false
		case <-ticker.C:
			if l.moved.CompareAndSwap(moved, moved+1) {
				return nil, false
			}
			moved = l.moved.Load()
		}
	}
}
