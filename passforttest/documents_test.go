package passforttest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestImageBecomesDocument(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	p := "/profiles/" + id
	up := w.post(p+"/document_images", `{"image_type":"BACK","data":"`+b64(pngMagic+"picture")+`"}`).object(t)
	require.Equal(t, "BACK", up["image_type"])
	require.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`, up["upload_date"])
	require.Len(t, up, 3)
	imageID := up["id"].(string)

	sum := sha256.Sum256([]byte(pngMagic + "picture"))
	require.Equal(t, []passforttest.StoredImage{{
		ID: imageID, ImageType: "BACK", MediaType: "image/png", Size: 15, SHA256: hex.EncodeToString(sum[:]),
	}}, w.srv.Images(id))
	require.Empty(t, w.srv.PortalImages(id), "an image without a document is not in the portal")

	tag := w.get(p + "/collected_data").header.Get("Etag")
	doc := w.post(p+"/collected_data/documents",
		`{"category":"PROOF_OF_IDENTITY","document_type":"PASSPORT","images":[{"id":"`+imageID+`"}]}`).object(t)
	require.NotEqual(t, tag, w.get(p+"/collected_data").header.Get("Etag"), "the document moves the tag")
	require.Equal(t, up, doc["images"].([]any)[0])
	require.Len(t, w.srv.PortalImages(id), 1)
	require.Equal(t, doc, w.get(p + "/collected_data").object(t)["documents"].([]any)[0])
	require.Equal(t, []map[string]any{up}, w.get(p+"/document_images").list(t))
	require.Len(t, w.get(p+"/document_images/"+imageID+"?full=false").object(t), 3)
	require.NotContains(t, w.get(p+"/document_images/"+imageID).object(t), "decrypted_data")

	check := w.post(p+"/checks?mode=sync", `{"check_type":"DOCUMENT_VERIFICATION","document_id":"`+text(doc, "id")+
		`"}`).object(t)
	require.Equal(t, "Pass", check["result"])
	require.Equal(t, "101", w.post(p+"/checks", `{"check_type":"DOCUMENT_VERIFICATION"}`).code(t))
}

func TestUploadForms(t *testing.T) {
	t.Parallel()
	w := start(t)
	images := "/profiles/" + w.person() + "/document_images"
	picture := b64("GIF89a" + strings.Repeat("x", 100))
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"plain":    {`{"data":"` + picture + `"}`, 200},
		"data URI": {`{"data":"data:image/gif;base64,` + picture + `"}`, 200},
		"escaped slashes": {`{"data":"` + strings.ReplaceAll(b64("GIF89a\xff\xff\xff\xff\xff\xff"), "/", `\/`) + `"}`,
			200},
		"unicode escape": {`{"data":"\u0052` + b64("GIF89a")[1:] + `"}`, 200},
		"line breaks":    {`{"data":"` + picture[:8] + `\r\n` + picture[8:] + `"}`, 200},
		"other members": {` { "a" : [1,{"b":"}\""}] , "data" : "` + picture +
			`" , "image_type" : "FACE", "z":null } `, 200},
		"PDF":              {`{"data":"` + b64("%PDF-1.4 x") + `"}`, 200},
		"PDF after space":  {`{"data":"` + b64("\xef\xbb\xbf \n%PDF-1.4 x") + `"}`, 200},
		"BigTIFF":          {`{"data":"` + b64("II+\x00x") + `"}`, 200},
		"text about PDF":   {`{"data":"` + b64("see %PDF-1.4") + `"}`, 400},
		"TIFF":             {`{"data":"` + b64("MM\x00* x") + `"}`, 200},
		"JPG":              {`{"data":"` + b64("\xff\xd8\xff\xe0 x") + `"}`, 200},
		"no data":          {`{"image_type":"FRONT"}`, 400},
		"empty data":       {`{"data":""}`, 400},
		"null data":        {`{"data":null}`, 400},
		"number":           {`{"data":5}`, 400},
		"a word":           {`{"data":"hello, world"}`, 400},
		"text":             {`{"data":"` + b64("just some text") + `"}`, 400},
		"padding cut":      {`{"data":"` + strings.TrimRight(b64("GIF89ab"), "=") + `"}`, 400},
		"padding inside":   {`{"data":"` + b64("GIF89ab") + b64("GIF89ab") + `"}`, 400},
		"data URI, no b64": {`{"data":"data:image/gif,` + picture + `"}`, 400},
		"data URI, cut":    {`{"data":"data:image/gif;base64"}`, 400},
		"unknown type":     {`{"data":"` + picture + `","image_type":"SIDE"}`, 400},
		"twice":            {`{"data":"` + picture + `","data":"` + picture + `"}`, 400},
		"cut":              {`{"data":"` + picture, 400},
		"no brace":         {`{"data":"` + picture + `"`, 400},
		"trailing":         {`{"data":"` + picture + `"}x`, 400},
		"comma":            {`{"data":"` + picture + `",}`, 400},
		"raw line break":   {"{\"data\":\"" + picture[:8] + "\n" + picture[8:] + "\"}", 400},
		"list":             {`["` + picture + `"]`, 400},
		"nothing":          {``, 400},
		"bad member":       {`{"data":"` + picture + `","x":tru}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.post(images, c.body)
			require.Equal(t, c.want, a.status, a.raw)
			if c.want == 400 {
				require.NotEmpty(t, a.code(t))
			}
		})
	}
	require.Len(t, w.get(images).list(t), 11, "what was refused is not stored")
}

func TestImageLimit(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithImageLimit(1000))
	images := "/profiles/" + w.person() + "/document_images"
	at := func(n int) int {
		return w.post(images, `{"data":"`+b64("GIF89a"+strings.Repeat("x", n-6))+`"}`).status
	}
	require.Equal(t, http.StatusOK, at(1000))
	require.Equal(t, http.StatusRequestEntityTooLarge, at(1001))
	require.Equal(t, http.StatusRequestEntityTooLarge, at(4_000_000))
}

func TestFilesStayEncrypted(t *testing.T) {
	t.Parallel()
	w := start(t)
	files := "/profiles/" + w.person() + "/files"
	up := w.post(files, `{"data":"`+b64("%PDF-1.7")+`"}`).object(t)
	require.Equal(t, map[string]any{"id": up["id"], "name": "Untitled", "decrypted_data": ""}, up)
	require.Equal(t, up, w.get(files+"/"+text(up, "id")).object(t))
	require.Equal(t, http.StatusMethodNotAllowed, w.post(files+"/"+text(up, "id"), "").status)
	require.Equal(t, http.StatusMethodNotAllowed, w.get(files).status, "files cannot be listed")
}

func TestReadableContent(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithSwitches(passforttest.Switches{
		ReadableFiles: true, ReadableImages: true, FileReadByPOST: true,
	}))
	p := "/profiles/" + w.person()
	content := b64("GIF87a" + strings.Repeat("\x00\xff", 70_000))
	f := w.created(p+"/files", `{"data":"`+content+`","name":"scan"}`)
	require.Equal(t, content, w.get(p + "/files/" + f).object(t)["decrypted_data"])
	require.Equal(t, content, w.post(p+"/files/"+f, "").object(t)["decrypted_data"])
	i := w.created(p+"/document_images", `{"data":"`+content+`"}`)
	require.Equal(t, "data:image/gif;base64,"+content, w.get(p + "/document_images/" + i).object(t)["decrypted_data"])
	require.NotContains(t, w.get(p+"/document_images/"+i+"?full=false").object(t), "decrypted_data")
}

// endless is 50 MB of a GIF, Base64-encoded inside JSON, without being held
// anywhere.
func endless(size int) io.Reader {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.WriteString(pw, `{"data":"`)
		e := base64.NewEncoder(base64.StdEncoding, pw)
		block := bytes.Repeat([]byte("GIF89a\x00\x01"), 4096)
		for left := size; left > 0 && err == nil; left -= len(block) {
			_, err = e.Write(block[:min(left, len(block))])
		}
		if err == nil {
			err = e.Close()
		}
		if err == nil {
			_, err = io.WriteString(pw, `"}`)
		}
		pw.CloseWithError(err)
	}()
	return pr
}

func TestLargeImageIsNotHeld(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	const size = 50_000_000
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL()+"/profiles/"+id+"/document_images",
		endless(size))
	require.NoError(t, err)
	req.Header.Set("apikey", w.srv.APIKey())
	resp, err := w.hc.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.EqualValues(t, size, w.srv.Images(id)[0].Size)
	seen := w.srv.RequestsTo("Documents.UploadImage")
	require.Len(t, seen, 1)
	require.Len(t, seen[0].Body, 4<<10, "the recorder keeps the beginning")
	require.EqualValues(t, base64.StdEncoding.EncodedLen(size)+len(`{"data":""}`), seen[0].Size)
	require.Len(t, seen[0].SHA256, 64)
}
