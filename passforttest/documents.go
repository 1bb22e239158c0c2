package passforttest

import (
	"bytes"
	"slices"
	"strings"
)

// defaultImageType is what an image is without an image_type. The guide's own
// value was lost; this is a guess.
const defaultImageType = "FRONT"

func (s *Server) uploadImage(c *call) (*reply, error) {
	u, i, err := s.receive(c, func(sw Switches) bool { return sw.ReadableImages })
	if err != nil {
		return nil, err
	}
	kind, is := u.text("image_type")
	if kind == "" {
		kind = defaultImageType
	}
	if !is || !slices.Contains([]string{"FRONT", "BACK", "FACE"}, kind) {
		return nil, invalid("unknown image_type")
	}
	s.enter()
	defer s.leave()
	p, err := s.profile(c)
	if err != nil {
		return nil, err
	}
	i.ID, i.ImageType, i.Uploaded = s.newID(), kind, s.tick
	p.Images = append(p.Images, i)
	s.audit(p, byKey(c), "uploaded-a-document", object{"document_image_id": i.ID})
	return ok(i.wire()), nil
}

func (i *image) wire() object {
	return object{"id": i.ID, "image_type": i.ImageType, "upload_date": dateTime(i.Uploaded)}
}

func imagesWire(images []*image) []object {
	out := []object{}
	for _, i := range images {
		out = append(out, i.wire())
	}
	return out
}

func (s *Server) listImages(c *call) (*reply, error) {
	p, err := s.profile(c)
	if err != nil {
		return nil, err
	}
	return ok(ordered(s, imagesWire(p.Images))), nil
}

func (s *Server) getImage(c *call) (*reply, error) {
	p, err := s.profile(c)
	if err != nil {
		return nil, err
	}
	id := strings.ToLower(c.params["document_image_id"])
	i := find(p.Images, func(i *image) bool { return i.ID == id })
	if i == nil {
		return nil, notFound("document image")
	}
	o := i.wire()
	switch c.query("full") {
	case "false":
		return ok(o), nil
	case "", "true":
	default:
		return nil, invalid("full is neither true nor false")
	}
	if i.Document != "" {
		o["document_type"], o["document_category"] = i.DocType, i.Category
	}
	if !s.sw.ReadableImages || i.Content == nil {
		o["encrypted_data"] = object{}
		return ok(o), nil
	}
	return withContent(o, "data:"+i.Media+";base64,", i.Content), nil
}

// createDocument adds one document to the collected data. It takes no ETag but moves it
// (docs/api/profiles.md#etags).
func (s *Server) createDocument(c *call) (*reply, error) {
	p, err := s.profile(c)
	if err != nil {
		return nil, err
	}
	d, err := c.object()
	if err != nil {
		return nil, err
	}
	for _, need := range []string{"category", "document_type"} {
		if text(d, need) == "" {
			return nil, missing(need)
		}
	}
	refs := list(d, "images")
	if len(refs) == 0 {
		return nil, missing("images")
	}
	var images []*image
	for _, e := range refs {
		ref, _ := e.(object)
		id := strings.ToLower(text(ref, "id"))
		i := find(p.Images, func(i *image) bool { return i.ID == id })
		if i == nil {
			return nil, invalid("images names an image the profile does not have")
		}
		images = append(images, i)
	}
	d["id"] = s.newID()
	d["images"] = imagesWire(images)
	data, err := decodeObject(p.Data)
	if err != nil {
		return nil, err
	}
	data["documents"] = append(list(data, "documents"), d)
	for _, i := range images {
		i.Document, i.DocType, i.Category = text(d, "id"), text(d, "document_type"), text(d, "category")
	}
	s.storeData(p, encode(data), p.Summary, byKey(c))
	return ok(d), nil
}

// document returns a copy of a document in the collected data, or nil.
func (p *profile) document(id string) object {
	if id == "" || !bytes.Contains(p.Data, []byte(`"documents"`)) {
		return nil
	}
	data, err := decodeObject(p.Data)
	if err != nil {
		return nil
	}
	for _, e := range list(data, "documents") {
		if d, _ := e.(object); strings.EqualFold(text(d, "id"), id) {
			return d
		}
	}
	return nil
}
