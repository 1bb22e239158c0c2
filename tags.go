package passfort

import (
	"context"
	"errors"
)

// TagsService tags profiles (docs/api/profiles.md#tags). The tags of a profile are in Profile.Tags.
type TagsService struct{ road *road }

// Add puts a tag on a profile. The name has at most 64 characters. It is sent
// once: whether adding a tag twice leaves one is not documented.
func (s *TagsService) Add(ctx context.Context, profileID, name string, opts ...CallOption) (*Tag, error) {
	problem := missing("tag name", name)
	if len([]rune(name)) > 64 {
		problem = "the tag name has more than 64 characters"
	}
	return result[Tag](ctx, s.road, "Tags.Add", call{
		args: []string{profileID}, problem: problem, body: &Tag{Name: name}, opts: opts,
	})
}

// Remove takes a tag off a profile, by the id that Add returned, and returns
// it. It may be repeated. If an answer was lost and the tag is then not found,
// it has been removed, and a Tag with nothing but the id is returned.
func (s *TagsService) Remove(ctx context.Context, profileID, tagID string, opts ...CallOption) (*Tag, error) {
	out, err := result[Tag](ctx, s.road, "Tags.Remove", call{args: []string{profileID, tagID}, opts: opts})
	if errors.Is(err, ErrOutcomeUnknown) && errors.Is(err, ErrNotFound) {
		return &Tag{ID: tagID}, nil
	}
	return out, err
}

// Search finds tags of the account by a part of their name. A limit of 0
// leaves it to the server.
func (s *TagsService) Search(ctx context.Context, term string, limit int, opts ...CallOption) ([]Tag, error) {
	problem := ""
	if limit < 0 {
		problem = "the limit is negative"
	}
	query := struct {
		Limit int `url:"limit,omitempty"`
	}{limit}
	return list[Tag](ctx, s.road, "Tags.Search", call{args: []string{term}, problem: problem, query: query, opts: opts})
}

// Tag is a label on a profile (docs/api/profiles.md#tags).
type Tag struct {
	ID string `json:"id"`
	// Name has at most 64 characters.
	Name string `json:"name"`
	// IsAutomatic is deprecated and always false.
	IsAutomatic *bool `json:"is_automatic"`

	Unknown Unknown `json:"-"`
}

func (v *Tag) identity() string { return v.ID }
