package journal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/journal"
)

// Beside the file a stranger may have put a link under the name of its successor.
func TestRewriteFollowsNoLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "state")
	require.NoError(t, os.WriteFile(victim, []byte("mine"), 0o600))
	require.NoError(t, os.Symlink(victim, path+".new"))
	j := open(t, path)
	require.NoError(t, j.Rewrite(slices.Values([][]byte{[]byte("one")})))
	require.NoError(t, j.Close())
	got, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "mine", string(got))
	require.Equal(t, []string{"one"}, contents(t, open(t, path)))
}

// A replacement has what it was given and, behind it, what was appended while it
// was made; until its commit the old file is whole.
func TestReplace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	j := open(t, path)
	j.Append([]byte("old"))
	r, err := j.Replace()
	require.NoError(t, err)
	_, err = j.Replace()
	require.Error(t, err, "one at a time")
	require.Error(t, j.Rewrite(slices.Values([][]byte{})))
	require.NoError(t, r.Write([]byte("new")))
	j.Append([]byte("meanwhile"))
	require.NoError(t, j.Sync())
	large := strings.Repeat("x", 1<<20)
	j.Append([]byte(large))
	require.Equal(t, []string{"old", "meanwhile"}, contents(t, j))
	require.NoError(t, r.Commit())
	require.NoError(t, j.Sync())
	require.Equal(t, []string{"new", "meanwhile", large}, contents(t, j))
	j.Append([]byte("after"))
	require.NoError(t, j.Close())

	j = open(t, path)
	require.Equal(t, []string{"new", "meanwhile", large, "after"}, contents(t, j))
	r, err = j.Replace()
	require.NoError(t, err)
	require.NoError(t, r.Write([]byte("never")))
	j.Append([]byte("last"))
	r.Abort()
	r.Abort()
	require.NoFileExists(t, path+".new")
	require.NoError(t, j.Sync())
	require.Equal(t, []string{"new", "meanwhile", large, "after", "last"}, contents(t, j))
	require.NoError(t, j.Close())
	_, err = j.Replace()
	require.Error(t, err)
}

// Many append while the file is replaced again and again: nothing is lost, and
// the order stays.
func TestReplaceUnderLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	j := open(t, path)
	const each = 300
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range each {
				j.Append(fmt.Appendf(nil, "%d %d", w, i))
				require.NoError(t, j.Sync())
			}
		})
	}
	for range 20 {
		r, err := j.Replace()
		require.NoError(t, err)
		require.NoError(t, j.Sync())            // what was appended before is in the file now
		for _, record := range contents(t, j) { // those the tail repeats are there twice
			require.NoError(t, r.Write([]byte(record)))
		}
		require.NoError(t, r.Commit())
	}
	wg.Wait()
	require.NoError(t, j.Close())
	next := make([]int, 4)
	for _, record := range contents(t, open(t, path)) {
		var w, i int
		_, err := fmt.Sscanf(record, "%d %d", &w, &i)
		require.NoError(t, err)
		require.LessOrEqual(t, i, next[w], "a record is missing")
		next[w] = max(next[w], i+1)
	}
	require.Equal(t, []int{each, each, each, each}, next)
}

// A replacement that cannot be put into place changes nothing, and nothing is lost.
func TestReplacementThatFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	j := open(t, path)
	j.Append([]byte("old"))
	r, err := j.Replace()
	require.NoError(t, err)
	require.NoError(t, r.Write([]byte("new")))
	j.Append([]byte("not on the disk yet"))
	require.NoError(t, os.Remove(path+".new"))
	require.Error(t, r.Commit())
	j.Append([]byte("after"))
	r.Abort()
	require.NoError(t, j.Close())
	require.Equal(t, []string{"old", "not on the disk yet", "after"}, contents(t, open(t, path)))
}

// A file that is opened again is not full as long as what it holds is needed.
func TestHolds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	j := open(t, path)
	j.Append(make([]byte, 65<<20))
	require.True(t, j.Full())
	require.NoError(t, j.Close())
	j = open(t, path)
	require.True(t, j.Full())
	j.Holds(65 << 20)
	require.False(t, j.Full())
	require.NoError(t, j.Close())
}

func open(t *testing.T, path string) *journal.File {
	t.Helper()
	j, err := journal.Open(path)
	require.NoError(t, err)
	return j
}

func contents(t *testing.T, j *journal.File) []string {
	t.Helper()
	out := []string{}
	for r, err := range j.Records() {
		require.NoError(t, err)
		out = append(out, string(r))
	}
	return out
}

func write(t *testing.T, path string, records ...string) {
	t.Helper()
	j := open(t, path)
	for _, r := range records {
		j.Append([]byte(r))
	}
	require.NoError(t, j.Sync())
	require.NoError(t, j.Close())
}

func TestWhatWasSyncedIsThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	write(t, path, "one", "two")
	write(t, path, "three")
	j := open(t, path)
	require.Equal(t, []string{"one", "two", "three"}, contents(t, j))
	j.Append([]byte("four"))
	require.NoError(t, j.Close())
	require.ErrorIs(t, j.Sync(), os.ErrClosed)
	require.Equal(t, []string{"one", "two", "three", "four"}, contents(t, open(t, path)))
}

// TestEveryCut opens the file as a process leaves it that dies after each
// byte of a write.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	write(t, path, "first", "second, longer than what comes next")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for n := range len(whole) {
		require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
		j := open(t, path)
		got := contents(t, j)
		require.Equal(t, []string{"first"}[:len(got)], got)
		j.Append([]byte("next"))
		require.NoError(t, j.Close())
		j = open(t, path)
		require.Equal(t, append(got, "next"), contents(t, j), "cut at %d", n)
		require.NoError(t, j.Close())
	}
}

// TestEveryFlip damages each byte: that is noticed, unless it is in the last
// record, which may have been interrupted.
func TestEveryFlip(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	write(t, path, "first", "second", "third")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for n := range len(whole) {
		damaged := bytes.Clone(whole)
		damaged[n] ^= 0x10
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		j, err := journal.Open(path)
		if err != nil {
			require.ErrorIs(t, err, journal.ErrDamaged)
			continue
		}
		require.Equal(t, []string{"first", "second"}, contents(t, j),
			"byte %d: only the last write may look interrupted", n)
		require.NoError(t, j.Close())
	}
}

func TestTailOfZeros(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	write(t, path, "one")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(whole, make([]byte, 4096)...), 0o600))
	j := open(t, path)
	require.Equal(t, []string{"one"}, contents(t, j))
	require.NoError(t, j.Close())
	require.NoError(t, os.WriteFile(path, append(append(whole, make([]byte, 4096)...), 1), 0o600))
	_, err = journal.Open(path)
	require.ErrorIs(t, err, journal.ErrDamaged)
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	j := open(t, path)
	j.Append([]byte("one"))
	require.NoError(t, j.Sync())
	j.Append([]byte("not written yet, and part of the rewrite"))
	require.NoError(t, j.Rewrite(slices.Values([][]byte{[]byte("all")})))
	j.Append([]byte("more"))
	require.NoError(t, j.Sync())
	require.Equal(t, []string{"all", "more"}, contents(t, j))
	require.NoError(t, j.Close())
	require.Equal(t, []string{"all", "more"}, contents(t, open(t, path)))
	require.NoFileExists(t, path+".new")
}

func TestRewriteThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	j := open(t, path)
	j.Append([]byte("one"))
	require.NoError(t, os.Mkdir(path+".new", 0o700))
	require.Error(t, j.Rewrite(slices.Values([][]byte{[]byte("all")})))
	require.NoError(t, j.Sync())
	require.Equal(t, []string{"one"}, contents(t, j))
	require.NoError(t, j.Close())
}

func TestFull(t *testing.T) {
	t.Parallel()
	j := open(t, filepath.Join(t.TempDir(), "state"))
	require.False(t, j.Full())
	j.Append([]byte(strings.Repeat("x", 65<<20)))
	require.True(t, j.Full())
	require.NoError(t, j.Rewrite(slices.Values([][]byte{[]byte("all")})))
	require.False(t, j.Full())
	require.NoError(t, j.Close())
}

func TestOneProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	j := open(t, path)
	_, err := journal.Open(path)
	require.Error(t, err)
	require.NoError(t, j.Rewrite(slices.Values([][]byte{})))
	_, err = journal.Open(path)
	require.Error(t, err, "the new file is locked too")
	require.NoError(t, j.Close())
	require.NoError(t, open(t, path).Close())
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	j := open(t, path)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for n := range 20 {
				j.Append(fmt.Appendf(nil, "%d/%d", i, n))
				if err := j.Sync(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, j.Close())
	got := contents(t, open(t, path))
	require.Len(t, got, 320)
	slices.Sort(got)
	require.Len(t, slices.Compact(got), 320)
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("passfort-sim 1\n\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00one"))
	f.Add([]byte("passfort-sim 1\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "state")
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		j, err := journal.Open(path)
		if err != nil {
			return
		}
		before := contents(t, j)
		j.Append([]byte("next"))
		require.NoError(t, j.Close())
		j = open(t, path)
		require.Equal(t, append(before, "next"), contents(t, j))
		require.NoError(t, j.Close())
	})
}
