package passforttest

import (
	"iter"
	"slices"
	"strings"
)

// roster has every profile in the order of creation and finds them by what a
// list, a search or a link asks for, without a look at the others. The lock of
// the world guards it.
type roster struct {
	blocks [][]*profile // by seq, none empty
	count  int
	next   uint32

	grams      map[string]*profileSet // by one, two and three letters of the name
	tagged     map[string]*profileSet // by tag
	categories map[string]*profileSet
	links      map[string][]*profile // the companies that link to a profile, by its id

	looked int // profiles that were looked at, for tests
}

// profileSet is the seqs of profiles, in order. One that is new comes last, which costs
// least.
type profileSet []uint32

// place is what the roster knows of a profile.
type place struct {
	seq      uint32
	name     string // in lower case
	category string
	tags     []string
	links    []string // ids
}

// blockSize is how many profiles one block has at most.
const blockSize = 512

func newRoster() *roster {
	return &roster{
		grams: map[string]*profileSet{}, tagged: map[string]*profileSet{}, categories: map[string]*profileSet{},
		links: map[string][]*profile{},
	}
}

// add puts a new profile at the end.
func (r *roster) add(p *profile) {
	p.place = place{seq: r.next}
	r.next++
	if n := len(r.blocks); n == 0 || len(r.blocks[n-1]) == blockSize {
		r.blocks = append(r.blocks, make([]*profile, 0, blockSize))
	}
	last := &r.blocks[len(r.blocks)-1]
	*last = append(*last, p)
	r.count++
	r.update(p)
}

func bySeq(p *profile, seq uint32) int {
	switch {
	case p.place.seq < seq:
		return -1
	case p.place.seq > seq:
		return 1
	}
	return 0
}

// where returns the block and the index of a profile.
func (r *roster) where(seq uint32) (block, i int, there bool) {
	block, starts := slices.BinarySearchFunc(r.blocks, seq, func(b []*profile, seq uint32) int {
		return bySeq(b[0], seq)
	})
	if !starts {
		block--
	}
	if block < 0 {
		return 0, 0, false
	}
	i, there = slices.BinarySearchFunc(r.blocks[block], seq, bySeq)
	return block, i, there
}

// remove takes a profile out.
func (r *roster) remove(p *profile) {
	block, i, there := r.where(p.place.seq)
	if !there {
		return
	}
	r.blocks[block] = slices.Delete(r.blocks[block], i, i+1)
	if len(r.blocks[block]) == 0 {
		r.blocks = slices.Delete(r.blocks, block, block+1)
	}
	r.count--
	r.index(p, place{seq: p.place.seq})
}

// update brings the indexes to what a profile is now.
func (r *roster) update(p *profile) {
	now := place{
		seq: p.place.seq, name: p.place.name, category: p.category(), tags: p.TagNames, links: p.place.links,
	}
	if name := strings.ToLower(p.Summary.Name); name != now.name {
		now.name = name
	}
	if len(p.Summary.Links) > 0 || len(now.links) > 0 {
		now.links = nil
		for _, l := range p.Summary.Links {
			if !slices.Contains(now.links, l.ID) {
				now.links = append(now.links, l.ID)
			}
		}
	}
	r.index(p, now)
}

// index replaces what the indexes say of a profile.
func (r *roster) index(p *profile, now place) {
	was := p.place
	r.looked++
	if was.name != now.name {
		eachGram(was.name, func(g string) { exclude(r.grams, g, was.seq) })
		eachGram(now.name, func(g string) { include(r.grams, g, was.seq) })
	}
	if was.category != now.category {
		exclude(r.categories, was.category, was.seq)
		include(r.categories, now.category, was.seq)
	}
	if !slices.Equal(was.tags, now.tags) {
		for _, t := range was.tags {
			exclude(r.tagged, t, was.seq)
		}
		for _, t := range now.tags {
			include(r.tagged, t, was.seq)
		}
		now.tags = slices.Clone(now.tags)
	} else {
		now.tags = was.tags
	}
	if !slices.Equal(was.links, now.links) {
		for _, id := range was.links {
			r.unlink(id, p)
		}
		for _, id := range now.links {
			r.link(id, p)
		}
	}
	p.place = now
}

func (r *roster) link(id string, company *profile) {
	l := r.links[id]
	if i, there := slices.BinarySearchFunc(l, company.place.seq, bySeq); !there {
		r.links[id] = slices.Insert(l, i, company)
	}
}

func (r *roster) unlink(id string, company *profile) {
	l := r.links[id]
	if i, there := slices.BinarySearchFunc(l, company.place.seq, bySeq); there {
		l = slices.Delete(l, i, i+1)
	}
	if len(l) == 0 {
		delete(r.links, id)
		return
	}
	r.links[id] = l
}

func include(sets map[string]*profileSet, key string, seq uint32) {
	if key == "" {
		return
	}
	set := sets[key]
	if set == nil {
		set = &profileSet{}
		sets[strings.Clone(key)] = set
	}
	if n := len(*set); n == 0 || (*set)[n-1] < seq {
		*set = append(*set, seq)
	} else if i, there := slices.BinarySearch(*set, seq); !there {
		*set = slices.Insert(*set, i, seq)
	}
}

func exclude(sets map[string]*profileSet, key string, seq uint32) {
	set := sets[key]
	if set == nil {
		return
	}
	if i, there := slices.BinarySearch(*set, seq); there {
		*set = slices.Delete(*set, i, i+1)
	}
	if len(*set) == 0 {
		delete(sets, key)
	}
}

// gramLength is how many letters in a row are found at once.
const gramLength = 3

// eachGram calls visit with each part of one to gramLength letters of a text.
func eachGram(text string, visit func(string)) {
	var starts [gramLength]int // of the last letters
	letters := 0
	for i := range text {
		for n := 1; n <= min(letters, gramLength); n++ {
			visit(text[starts[(letters-n)%gramLength]:i])
		}
		starts[letters%gramLength] = i
		letters++
	}
	for n := 1; n <= min(letters, gramLength); n++ {
		visit(text[starts[(letters-n)%gramLength]:])
	}
}

// all yields every profile, the oldest first.
func (r *roster) all() iter.Seq[*profile] {
	return func(yield func(*profile) bool) {
		for _, b := range r.blocks {
			for _, p := range b {
				r.looked++
				if !yield(p) {
					return
				}
			}
		}
	}
}

// page returns up to n profiles from the ith on, the oldest first.
func (r *roster) page(i, n int) []*profile {
	var out []*profile
	for _, b := range r.blocks {
		if i >= len(b) {
			i -= len(b)
			continue
		}
		take := min(len(b)-i, n-len(out))
		out = append(out, b[i:i+take]...)
		i = 0
		if len(out) == n {
			break
		}
	}
	r.looked += len(out)
	return out
}

// from returns up to n profiles, from the one with that seq or the next on.
func (r *roster) from(seq uint32, n int) []*profile {
	block, i, _ := r.where(seq)
	var out []*profile
	for ; block < len(r.blocks) && len(out) < n; block, i = block+1, 0 {
		b := r.blocks[block]
		out = append(out, b[min(i, len(b)):min(i+n-len(out), len(b))]...)
	}
	return out
}

// search returns the profiles whose name or a tag has q, in lower case, in it, the
// oldest first. It looks at those that have the rarest three letters of q.
func (r *roster) search(q string) []*profile {
	var found, rarest profileSet
	letters, missing := len([]rune(q)), false
	eachGram(q, func(g string) {
		if missing || len([]rune(g)) != min(letters, gramLength) {
			return
		}
		set := r.grams[g]
		if missing = set == nil; !missing && (rarest == nil || len(*set) < len(rarest)) {
			rarest = *set
		}
	})
	if !missing {
		for _, seq := range rarest {
			if p := r.at(seq); letters <= gramLength || strings.Contains(p.place.name, q) {
				found = append(found, seq)
			}
		}
	}
	for tag, set := range r.tagged {
		if strings.Contains(strings.ToLower(tag), q) {
			found = append(found, *set...)
		}
	}
	return r.inOrder(found)
}

// at returns the profile with a seq that exists.
func (r *roster) at(seq uint32) *profile {
	r.looked++
	block, i, _ := r.where(seq)
	return r.blocks[block][i]
}

// of returns the profiles of some categories, the oldest first.
func (r *roster) of(categories []string) []*profile {
	var found profileSet
	for _, c := range categories {
		if set := r.categories[c]; set != nil {
			found = append(found, *set...)
		}
	}
	return r.inOrder(found)
}

// inOrder returns the profiles of a set that need not be in order, each once.
func (r *roster) inOrder(seqs profileSet) []*profile {
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	out := make([]*profile, len(seqs))
	for i, seq := range seqs {
		out[i] = r.at(seq)
	}
	return out
}
