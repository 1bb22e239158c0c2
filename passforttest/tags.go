package passforttest

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

func (s *Server) tagWire(name string) object {
	return object{"id": s.state.Tags[name], "name": name, "is_automatic": false}
}

func (s *Server) tagsWire(p *profile) []object {
	out := []object{}
	for _, name := range p.TagNames {
		out = append(out, s.tagWire(name))
	}
	return out
}

func (s *Server) addTag(c *call) (*reply, error) {
	p, err := s.profile(c)
	if err != nil {
		return nil, err
	}
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	name := text(body, "name")
	switch {
	case name == "":
		return nil, missing("name")
	case utf8.RuneCountInString(name) > 64:
		return nil, invalid("a tag has at most 64 characters")
	}
	if s.state.Tags[name] == "" {
		s.addTagName(name)
	}
	if !slices.Contains(p.TagNames, name) {
		p.TagNames = append(p.TagNames, name)
		s.audit(p, byKey(c), "added-a-tag", object{"name": name})
	}
	return ok(s.tagWire(name)), nil
}

func (s *Server) removeTag(c *call) (*reply, error) {
	p, err := s.profile(c)
	if err != nil {
		return nil, err
	}
	id := strings.ToLower(c.params["tag_id"])
	i := slices.IndexFunc(p.TagNames, func(name string) bool { return s.state.Tags[name] == id })
	if i < 0 {
		return nil, notFound("tag")
	}
	name := p.TagNames[i]
	p.TagNames = slices.Delete(p.TagNames, i, i+1)
	s.audit(p, byKey(c), "removed-a-tag", object{"name": name})
	return ok(s.tagWire(name)), nil
}

func (s *Server) searchTags(c *call) (*reply, error) {
	limit, err := intQuery(c, "limit", 50, 1, 1000)
	if err != nil {
		return nil, err
	}
	term := strings.ToLower(c.params["term"])
	var names []string
	for name := range s.state.Tags {
		if strings.Contains(strings.ToLower(name), term) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	out := []object{}
	for _, name := range names[:min(limit, len(names))] {
		out = append(out, s.tagWire(name))
	}
	return ok(ordered(s, out)), nil
}
