package passforttest

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/passfort-go/passfort/internal/uploadscan"
)

// fileRoutes are the operations on files, images and documents.
func fileRoutes() []*route {
	return []*route{
		{Operation: "Documents.Create", Method: post, Path: onProfile + "/collected_data/documents",
			handle: withBoth((*world).createDocument), creates: true, collect: true},
		{Operation: "Files.Upload", Method: post, Path: onProfile + "/files",
			handle: withProfile((*world).uploadFile), creates: true,
			image: func(sw Switches) bool { return sw.ReadableFiles }},
		{Operation: "Files.Get", Method: get, Path: onProfile + "/files/{file_id}",
			handle: below("file", (*profile).file, (*world).getFile)},
		{Operation: "Files.Get", Method: post, Path: onProfile + "/files/{file_id}",
			handle: below("file", (*profile).file, (*world).getFile),
			unless: func(sw Switches) bool { return sw.FileReadByPOST }},
		{Operation: "Documents.ListImages", Method: get, Path: onProfile + "/document_images",
			handle: withProfile((*world).listImages), collect: true},
		{Operation: "Documents.UploadImage", Method: post, Path: onProfile + "/document_images",
			handle: withProfile((*world).uploadImage), creates: true, collect: true,
			image: func(sw Switches) bool { return sw.ReadableImages }},
		{Operation: "Documents.GetImage", Method: get, Path: onProfile + "/document_images/{document_image_id}",
			handle: below("document_image", (*profile).image, (*world).getImage)},
	}
}

// image is a stored file or document image. Its content is kept only while the
// switch that makes it readable is on.
type image struct {
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`
	ImageType string    `json:"image_type,omitempty"`
	Media     string    `json:"media"`
	Size      int64     `json:"size"`
	SHA256    string    `json:"sha256"`
	Uploaded  time.Time `json:"uploaded"`
	Document  string    `json:"document,omitempty"` // the document it is part of
	Category  string    `json:"category,omitempty"`
	DocType   string    `json:"doc_type,omitempty"`
	Content   []byte    `json:"content,omitempty"`
}

// StoredImage is what the server knows about a file or a document image.
type StoredImage struct {
	ID         string
	Name       string // of a file
	ImageType  string // FRONT, BACK or FACE, of a document image
	MediaType  string // by its content
	Size       int64
	SHA256     string // hexadecimal
	DocumentID string // of the document a document image is part of
}

func (p *profile) file(id string) *image {
	return find(p.Files, func(f *image) bool { return f.ID == id })
}

func (p *profile) image(id string) *image {
	return find(p.Images, func(i *image) bool { return i.ID == id })
}

func (i *image) stored() StoredImage {
	return StoredImage{i.ID, i.Name, i.ImageType, i.Media, i.Size, i.SHA256, i.Document}
}

// imageOf returns the image of an upload.
func imageOf(u *uploadscan.Upload) (*image, error) {
	switch {
	case !u.HasData && !u.Has("data"), u.HasData && u.Size == 0:
		return nil, missing("data")
	case !u.HasData:
		return nil, invalid("data is not a string")
	case u.Media == "":
		return nil, invalid("the image is not a GIF, JPG, PNG, PDF or TIFF")
	}
	return &image{Media: u.Media, Size: u.Size, SHA256: u.SHA256, Content: u.Content}, nil
}

func (w *world) uploadFile(c *call, p *profile) (*reply, error) {
	f, err := imageOf(c.upload)
	if err != nil {
		return nil, err
	}
	name, is := c.upload.Text("name")
	if !is {
		return nil, invalid("name is not a string")
	}
	if name == "" {
		name = "Untitled"
	}
	f.ID, f.Name, f.Uploaded = w.newID(), name, w.tick
	p.Files = append(p.Files, f)
	w.audit(p, byKey(c), "added-a-file", object{"file_id": f.ID})
	return ok(fileWire(f)), nil
}

// fileWire returns a file as the API shows it: without its content, which is encrypted.
func fileWire(f *image) object { return object{"id": f.ID, "name": f.Name, "decrypted_data": ""} }

func (w *world) getFile(_ *call, _ *profile, f *image) (*reply, error) {
	if !w.switches().ReadableFiles || f.Content == nil {
		return ok(fileWire(f)), nil
	}
	return withContent(object{"id": f.ID, "name": f.Name}, "", f.Content), nil
}

// withContent answers with o and one more member, decrypted_data, which is encoded
// while it is sent.
func withContent(o object, prefix string, content []byte) *reply {
	head := encode(o)
	head = append(head[:len(head)-1], `,"decrypted_data":"`+prefix...)
	size := len(head) + base64.StdEncoding.EncodedLen(len(content)) + 2
	return &reply{
		size: size,
		stream: func(w io.Writer) error {
			if _, err := w.Write(head); err != nil {
				return err
			}
			e := base64.NewEncoder(base64.StdEncoding, w)
			if _, err := e.Write(content); err != nil {
				return err
			}
			if err := e.Close(); err != nil {
				return err
			}
			_, err := io.WriteString(w, `"}`)
			return err
		},
	}
}

// Files returns the files of a profile.
func (s *Server) Files(profileID string) []StoredImage {
	return s.storedImages(profileID, func(p *profile) []*image { return p.Files })
}

// Images returns the document images of a profile, attached or not.
func (s *Server) Images(profileID string) []StoredImage {
	return s.storedImages(profileID, func(p *profile) []*image { return p.Images })
}

// PortalImages returns the document images a person sees in the portal: only
// those a document refers to.
func (s *Server) PortalImages(profileID string) []StoredImage {
	var out []StoredImage
	for _, i := range s.Images(profileID) {
		if i.DocumentID != "" {
			out = append(out, i)
		}
	}
	return out
}

func (s *Server) storedImages(profileID string, which func(*profile) []*image) []StoredImage {
	w := s.world.enter()
	defer w.leave()
	p, err := w.look(profileID)
	if err != nil {
		return nil
	}
	var out []StoredImage
	for _, i := range which(p) {
		out = append(out, i.stored())
	}
	return out
}

// defaultImageType is what an image is without an image_type. The guide's own
// value was lost; this is a guess.
const defaultImageType = "FRONT"

func (w *world) uploadImage(c *call, p *profile) (*reply, error) {
	i, err := imageOf(c.upload)
	if err != nil {
		return nil, err
	}
	kind, is := c.upload.Text("image_type")
	if kind == "" {
		kind = defaultImageType
	}
	if !is || !slices.Contains([]string{"FRONT", "BACK", "FACE"}, kind) {
		return nil, invalid("unknown image_type")
	}
	i.ID, i.ImageType, i.Uploaded = w.newID(), kind, w.tick
	p.Images = append(p.Images, i)
	w.audit(p, byKey(c), "uploaded-a-document", object{"document_image_id": i.ID})
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

func (w *world) listImages(_ *call, p *profile) (*reply, error) {
	return ok(ordered(w, imagesWire(p.Images))), nil
}

func (w *world) getImage(c *call, _ *profile, i *image) (*reply, error) {
	o := i.wire()
	switch c.query.Get("full") {
	case "false":
		return ok(o), nil
	case "", "true":
	default:
		return nil, invalid("full is neither true nor false")
	}
	if i.Document != "" {
		o["document_type"], o["document_category"] = i.DocType, i.Category
	}
	if !w.switches().ReadableImages || i.Content == nil {
		o["encrypted_data"] = object{}
		return ok(o), nil
	}
	return withContent(o, "data:"+i.Media+";base64,", i.Content), nil
}

// createDocument adds one document to the collected data. It takes no ETag but moves it
// (docs/api/profiles.md#etags).
func (w *world) createDocument(c *call, p *profile, d object) (*reply, error) {
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
		i := p.image(strings.ToLower(text(ref, "id")))
		if i == nil {
			return nil, invalid("images names an image the profile does not have")
		}
		images = append(images, i)
	}
	d["id"] = w.newID()
	d["images"] = imagesWire(images)
	data, err := decodeObject(p.Data)
	if err != nil {
		return nil, err
	}
	data["documents"] = append(list(data, "documents"), d)
	for _, i := range images {
		i.Document, i.DocType, i.Category = text(d, "id"), text(d, "document_type"), text(d, "category")
	}
	w.storeData(p, encode(data), p.Summary, byKey(c))
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
