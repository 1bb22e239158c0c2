// Package journal keeps a sequence of records in one file that survives the
// sudden end of its process: the state of cmd/passfort-sim.
//
// The file is a header and then one frame for each record: its length, a
// CRC-32C of the length, one of the record, and the record. Records are only ever added at the end, and
// Sync returns after fsync, so what Sync covered is there after a kill, and
// after a power cut as far as the disk keeps its word. The process may die
// inside a write: an incomplete last frame, or a tail of zeros, is cut off when
// the file is opened. Anything else that does not check is damage, which is
// reported and not mended. Rewrite builds a new file beside the old one and
// renames it into place, so there is always one whole file.
package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"runtime"
	"sync"
)

const (
	header    = "passfort-sim 1\n"
	frameHead = 12
	// rewriteAt is how large a file gets before it counts as full, if its last
	// rewrite left less than half of that.
	rewriteAt = 64 << 20
)

// ErrDamaged is in the error of a file that is not what was written.
var ErrDamaged = errors.New("journal: the file is damaged")

// File is an open journal. It is safe for concurrent use.
type File struct {
	path string

	mu       sync.Mutex
	flushed  sync.Cond
	file     *os.File
	pending  []byte // frames that are not written yet
	spare    []byte
	appended int64 // records since the file was opened
	synced   int64 // of which are on the disk
	flushing bool
	size     int64
	after    int64 // size after the last rewrite, 0 if it was before this was opened
	err      error // the first one: nothing is written after it

	replacing *Replacement // under way, or nil
}

// Open opens the journal at path, made if it is not there, and cuts off what
// an interrupted write left. No other process may have it open.
func Open(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &File{path: path, file: f}
	j.flushed.L = &j.mu
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("journal: another process uses the file: %w", err)
	}
	if err := j.open(); err != nil {
		_ = release(f)
		return nil, err
	}
	return j, nil
}

// release closes a file and lets others have it.
func release(f *os.File) error {
	return errors.Join(unlock(f), f.Close())
}

func (j *File) open() error {
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < int64(len(header)) {
		start := make([]byte, info.Size())
		if _, err := io.ReadFull(j.file, start); err != nil {
			return err
		}
		if header[:len(start)] != string(start) {
			return ErrDamaged
		}
		if _, err := j.file.WriteAt([]byte(header), 0); err != nil {
			return err
		}
		j.size = int64(len(header))
		return errors.Join(j.file.Sync(), syncDir(j.path))
	}
	good, err := scan(j.file, info.Size(), func([]byte) bool { return true })
	if err != nil {
		return err
	}
	if good < info.Size() {
		if err := errors.Join(j.file.Truncate(good), j.file.Sync()); err != nil {
			return err
		}
	}
	j.size = good
	return nil
}

// scan reads frames from the start of a file and returns where the last whole
// one ends.
func scan(f *os.File, size int64, visit func([]byte) bool) (int64, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, size), 1<<20)
	start := make([]byte, len(header))
	if _, err := io.ReadFull(r, start); err != nil || string(start) != header {
		return 0, ErrDamaged
	}
	at := int64(len(header))
	var head [frameHead]byte
	for at < size {
		if size-at < frameHead {
			return at, nil // an interrupted write
		}
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, err
		}
		n := int64(binary.LittleEndian.Uint32(head[:4]))
		if n == 0 {
			return at, zeros(head[:], r)
		}
		if checksum(head[:4]) != binary.LittleEndian.Uint32(head[4:8]) {
			return 0, ErrDamaged
		}
		if n > size-at-frameHead {
			return at, nil // an interrupted write
		}
		record := make([]byte, n)
		if _, err := io.ReadFull(r, record); err != nil {
			return 0, err
		}
		next := at + frameHead + n
		if checksum(record) != binary.LittleEndian.Uint32(head[8:]) {
			if next == size {
				return at, nil // an interrupted write
			}
			return 0, ErrDamaged
		}
		if !visit(record) {
			return at, nil
		}
		at = next
	}
	return at, nil
}

// zeros checks that nothing but zeros follows: space that was reserved and
// never written.
func zeros(head []byte, r io.Reader) error {
	rest, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if len(bytes.Trim(head, "\x00"))+len(bytes.Trim(rest, "\x00")) > 0 {
		return ErrDamaged
	}
	return nil
}

func checksum(record []byte) uint32 {
	return crc32.Checksum(record, crc32.MakeTable(crc32.Castagnoli))
}

// Records returns what was in the file when it was opened and what was synced
// since, in order.
func (j *File) Records() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		j.mu.Lock()
		f, size := j.file, j.size
		j.mu.Unlock()
		if _, err := scan(f, size, func(record []byte) bool { return yield(record, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// Append adds a record. It is kept once Sync has returned.
func (j *File) Append(record []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := len(j.pending)
	j.pending = appendFrame(j.pending, record)
	if j.replacing != nil {
		j.replacing.tail = append(j.replacing.tail, j.pending[at:]...)
	}
	j.appended++
}

func appendFrame(to, record []byte) []byte {
	start := len(to)
	to = binary.LittleEndian.AppendUint32(to, uint32(len(record))) //nolint:gosec // more needs more memory
	to = binary.LittleEndian.AppendUint32(to, checksum(to[start:]))
	to = binary.LittleEndian.AppendUint32(to, checksum(record))
	return append(to, record...)
}

// Sync returns once every record appended before it is on the disk. Callers
// that wait at the same time share one write. After a failure it keeps
// failing, because what the disk holds is unknown.
func (j *File) Sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for want := j.appended; j.synced < want && j.err == nil; {
		if j.flushing {
			j.flushed.Wait()
			continue
		}
		j.flush()
	}
	return j.err
}

// gather is how often a write lets others run first: under load they append more, which
// then is on the disk with one sync, and alone it takes no time.
const gather = 16

// flush writes what is pending. It gives up the lock while it does.
func (j *File) flush() {
	j.flushing = true
	j.mu.Unlock()
	for range gather {
		runtime.Gosched()
	}
	j.mu.Lock()
	batch, upTo := j.pending, j.appended
	j.pending = j.spare[:0]
	f, at := j.file, j.size
	j.mu.Unlock()
	_, err := f.WriteAt(batch, at)
	if err == nil {
		err = f.Sync()
	}
	j.mu.Lock()
	j.flushing = false
	if err != nil {
		j.err = fmt.Errorf("journal: %w", err)
	} else {
		j.synced = upTo
		j.size += int64(len(batch))
	}
	if cap(batch) <= 1<<20 {
		j.spare = batch
	}
	j.flushed.Broadcast()
}

// Full reports whether a rewrite would pay: the file is large, and has at least
// doubled since the last one that is known of.
func (j *File) Full() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err == nil && j.size+int64(len(j.pending)) > max(rewriteAt, 2*j.after)
}

// Rewrite replaces every record, those appended before included. No Append may
// run at the same time. If it fails, the file is what it was.
func (j *File) Rewrite(records iter.Seq[[]byte]) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.flushing {
		j.flushed.Wait()
	}
	if j.err != nil {
		return j.err
	}
	if j.replacing != nil {
		return errReplacing
	}
	f, size, err := write(j.path+".new", records)
	if err == nil {
		if err = os.Rename(f.Name(), j.path); err != nil {
			err = errors.Join(err, release(f), os.Remove(f.Name()))
		}
	}
	if err != nil {
		j.after = j.size // not full again at once
		return fmt.Errorf("journal: %w", err)
	}
	_ = release(j.file)
	j.file, j.size, j.after = f, size, size
	j.pending, j.synced = nil, j.appended
	if err := syncDir(j.path); err != nil {
		j.err = fmt.Errorf("journal: %w", err)
	}
	j.flushed.Broadcast()
	return j.err
}

// write makes a whole file that is on the disk, and locked, when it returns.
func write(path string, records iter.Seq[[]byte]) (f *os.File, size int64, err error) {
	f, err = create(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			_ = release(f)
			_ = os.Remove(path)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = w.WriteString(header)
	size = int64(len(header))
	var frame []byte
	for record := range records {
		if err != nil {
			break
		}
		frame = appendFrame(frame[:0], record)
		_, err = w.Write(frame)
		size += int64(len(frame))
	}
	return f, size, errors.Join(err, w.Flush(), f.Sync())
}

// create makes an empty file that is locked.
func create(path string) (*os.File, error) {
	// A file or link of that name goes, and no link is followed.
	if info, err := os.Lstat(path); err == nil && !info.IsDir() {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, release(f), os.Remove(path))
	}
	return f, nil
}

// errReplacing is the error of a second replacement at the same time.
var errReplacing = errors.New("journal: the records are being replaced")

// Holds sets how many bytes of the file are still needed, which Full goes by.
func (j *File) Holds(bytes int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.after = bytes
}

// Replacement is a file on its way to take the place of the journal's. Its methods
// are for one goroutine.
type Replacement struct {
	j    *File
	file *os.File
	w    *bufio.Writer
	size int64
	kept int64  // of which are on the disk
	tail []byte // frames that were appended to the journal since; its lock guards it
}

// Replace begins to replace every record by those that the Replacement is given
// and, behind them, all that is appended until its Commit. The journal is used as
// before meanwhile.
func (j *File) Replace() (*Replacement, error) {
	r := &Replacement{j: j, size: int64(len(header))}
	if err := j.reserve(r); err != nil {
		return nil, err
	}
	f, err := create(j.path + ".new") // Append does not wait for it
	if err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.replacing = nil
		j.after = j.size // not full again at once
		return nil, fmt.Errorf("journal: %w", err)
	}
	r.file, r.w = f, bufio.NewWriterSize(f, 1<<20)
	_, _ = r.w.WriteString(header) // Commit gets the error
	return r, nil
}

// reserve makes r the replacement that is under way.
func (j *File) reserve(r *Replacement) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil && j.replacing != nil {
		return errReplacing
	}
	if j.err == nil {
		j.replacing = r
	}
	return j.err
}

// Write adds a record.
func (r *Replacement) Write(record []byte) error { return r.write(appendFrame(nil, record)) }

// unsynced is how much of a replacement may wait for the disk. One sync of all of it
// would hold up those of the journal.
const unsynced = 4 << 20

func (r *Replacement) write(frames []byte) error {
	n, err := r.w.Write(frames)
	r.size += int64(n)
	if err != nil || r.size-r.kept < unsynced {
		return err
	}
	r.kept = r.size
	return errors.Join(r.w.Flush(), r.file.Sync())
}

// tailAtOnce is how much may be left to write when those who wait for the disk have to
// wait for the end of a replacement.
const tailAtOnce = 256 << 10

// Commit puts the file into place. If it fails, the journal is what it was. Append waits
// for nothing meanwhile, and Sync for the end alone.
func (r *Replacement) Commit() error {
	for range 100 { // those who append faster than a disk writes have to wait in the end
		if tail := r.takeTail(); tail != nil {
			if err := r.write(tail); err != nil {
				return err
			}
			continue
		}
		break
	}
	if err := errors.Join(r.w.Flush(), r.file.Sync()); err != nil {
		return err
	}
	j := r.j
	j.mu.Lock()
	for j.flushing {
		j.flushed.Wait()
	}
	if j.err != nil {
		defer j.mu.Unlock()
		return j.err
	}
	tail, pending, upTo := r.tail, j.pending, j.appended
	j.flushing, j.pending = true, nil
	j.mu.Unlock()

	err := errors.Join(r.write(tail), r.w.Flush(), r.file.Sync())
	renamed := false
	if err == nil {
		err = os.Rename(r.file.Name(), j.path)
		renamed = err == nil
	}
	var unsure error // whether the new file or the old one is there after a power cut
	if renamed {
		unsure = syncDir(j.path)
	}

	j.mu.Lock()
	j.flushing = false
	old := j.file
	if renamed {
		j.file, j.size, j.after = r.file, r.size, r.size
		j.synced, j.replacing = upTo, nil
	} else {
		j.pending = append(pending, j.pending...)
	}
	if unsure != nil {
		j.err = fmt.Errorf("journal: %w", unsure)
		err = j.err
	}
	j.flushed.Broadcast()
	j.mu.Unlock()
	if renamed {
		_ = release(old) // which takes its time: it is the last that has the file
	}
	return err
}

// takeTail returns what was appended since the last time, or nil if that is little.
func (r *Replacement) takeTail() []byte {
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	if len(r.tail) <= tailAtOnce {
		return nil
	}
	tail := r.tail
	r.tail = nil
	return tail
}

// Abort ends a replacement that was not committed. The journal is what it was, and
// not full before it has grown.
func (r *Replacement) Abort() {
	j := r.j
	j.mu.Lock()
	mine := j.replacing == r
	j.mu.Unlock()
	if !mine {
		return
	}
	_ = release(r.file)
	_ = os.Remove(r.file.Name())
	j.mu.Lock()
	defer j.mu.Unlock()
	j.replacing = nil
	j.after = j.size
}

// Close writes what is pending and closes the file.
func (j *File) Close() error {
	err := j.Sync()
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.flushing {
		j.flushed.Wait()
	}
	if j.err == nil {
		j.err = os.ErrClosed
	}
	return errors.Join(err, release(j.file))
}
