package imagebody_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/imagebody"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		in, out   string
		meta      string // `{}` if not given
		content   imagebody.Content
		mediaType string
	}{
		"empty object": {in: ` {} `},
		"no image":     {in: `{"id":"1"}`, meta: `{"id":"1"}`},
		"empty string": {
			in: `{"id":"1","decrypted_data":""}`, meta: `{"id":"1"}`, content: imagebody.Empty,
		},
		"only a line break": {in: `{"decrypted_data":"\n"}`, content: imagebody.Empty},
		"empty uri": {
			in: `{"decrypted_data":"data:image/png;base64,"}`, content: imagebody.Empty, mediaType: "image/png",
		},
		"null": {
			in: `{"decrypted_data": null }`, meta: `{"decrypted_data":null}`, content: imagebody.Other,
		},
		"object": {
			in: `{"decrypted_data":{"a":["}"]}}`, meta: `{"decrypted_data":{"a":["}"]}}`, content: imagebody.Other,
		},
		"number": {
			in: `{"decrypted_data":1}`, meta: `{"decrypted_data":1}`, content: imagebody.Other,
		},
		"one byte":        {in: `{"decrypted_data":"QQ=="}`, out: "A", content: imagebody.Present},
		"two bytes":       {in: `{"decrypted_data":"QUI="}`, out: "AB", content: imagebody.Present},
		"three bytes":     {in: `{"decrypted_data":"QUJD"}`, out: "ABC", content: imagebody.Present},
		"no padding, one": {in: `{"decrypted_data":"QQ"}`, out: "A", content: imagebody.Present},
		"no padding, two": {in: `{"decrypted_data":"QUJDQUI"}`, out: "ABCAB", content: imagebody.Present},
		"escaped slash": {
			in: `{"decrypted_data":"\/\/\/\/"}`, out: "\xff\xff\xff", content: imagebody.Present,
		},
		"escaped plus": {
			in: `{"decrypted_data":"\u002b\u002B++"}`, out: "\xfb\xef\xbe", content: imagebody.Present,
		},
		"escaped padding": {
			in: `{"decrypted_data":"QQ\u003d\u003d"}`, out: "A", content: imagebody.Present,
		},
		"line breaks": {
			in: `{"decrypted_data":"Q\r\nU\nJD\u000aQ\u000dQ=\n=\n"}`, out: "ABCA", content: imagebody.Present,
		},
		"data uri": {
			in: `{"decrypted_data":"data:image/png;base64,QUJD"}`, out: "ABC", content: imagebody.Present,
			mediaType: "image/png",
		},
		"data uri, escaped": {
			in: `{"decrypted_data":"\u0064ata:image\/png;base64,QQ"}`, out: "A", content: imagebody.Present,
			mediaType: "image/png",
		},
		"data uri, parameters": {
			in: `{"decrypted_data":"DATA:Image/TIFF;name=\"a\";BASE64,QQ"}`, out: "A", content: imagebody.Present,
			mediaType: "image/tiff",
		},
		"data uri, space": {
			in: `{"decrypted_data":"data:image/png ;base64,QQ"}`, out: "A", content: imagebody.Present,
			mediaType: "image/png",
		},
		"data uri, no type": {
			in: `{"decrypted_data":"data:;base64,QQ"}`, out: "A", content: imagebody.Present,
		},
		"base64 that starts so": {in: `{"decrypted_data":"data"}`, out: "u\xabZ", content: imagebody.Present},
		"base64 that goes on": {
			in: `{"decrypted_data":"dataQUJD"}`, out: "u\xabZABC", content: imagebody.Present,
		},
		"escaped name": {in: `{"decrypted\u005fdata":"QQ"}`, out: "A", content: imagebody.Present},
		"image first": {
			in: `{"decrypted_data":"QQ","id":"1","n":1.50}`, out: "A", meta: `{"id":"1","n":1.50}`,
			content: imagebody.Present,
		},
		"image last": {
			in: "{\"id\" : \"1\" ,\n\"x\":[ 1, {}] , \"decrypted_data\":\"QQ\"\t}\n", out: "A",
			meta: `{"id":"1","x":[ 1, {}]}`, content: imagebody.Present,
		},
		"image between": {
			in: `{"a":"\"\\","decrypted_data":"QQ","a":{"decrypted_data":"no!"}}`, out: "A",
			meta: `{"a":"\"\\","a":{"decrypted_data":"no!"}}`, content: imagebody.Present,
		},
		"encrypted form": {
			in: `{"encrypted_data":{"k":["]}\""]},"decrypted_data":""}`, meta: `{"encrypted_data":{"k":["]}\""]}}`,
			content: imagebody.Empty,
		},
		"byte order mark": {
			in: "\xef\xbb\xbf" + `{"decrypted_data":"QQ"}`, out: "A", content: imagebody.Present,
		},
		"another case is another name": {in: `{"Decrypted_Data":"?"}`, meta: `{"Decrypted_Data":"?"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if row.meta == "" {
				row.meta = `{}`
			}
			for _, r := range variants(row.in) {
				var out bytes.Buffer
				got, err := imagebody.Decode(r, &out, imagebody.DecodeOptions{})
				require.NoError(t, err)
				require.Equal(t, row.out, out.String())
				require.Equal(t, row.meta, string(got.Meta))
				require.Equal(t, row.content, got.Content)
				require.Equal(t, row.mediaType, got.MediaType)
				require.EqualValues(t, len(row.out), got.Written)
			}
		})
	}
}

func variants(in string) []io.Reader {
	return []io.Reader{
		strings.NewReader(in),
		iotest.OneByteReader(strings.NewReader(in)),
		iotest.HalfReader(strings.NewReader(in)),
		iotest.DataErrReader(strings.NewReader(in)),
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		in   string
		want error
	}{
		"nothing":               {``, imagebody.ErrTruncated},
		"html":                  {`<html>`, imagebody.ErrMalformed},
		"array":                 {`[]`, imagebody.ErrMalformed},
		"null":                  {`null`, imagebody.ErrMalformed},
		"no name":               {`{1:2}`, imagebody.ErrMalformed},
		"no colon":              {`{"a" 1}`, imagebody.ErrMalformed},
		"no value":              {`{"a":}`, imagebody.ErrTruncated},
		"comma first":           {`{,"a":1}`, imagebody.ErrMalformed},
		"comma last":            {`{"a":1,}`, imagebody.ErrMalformed},
		"two commas":            {`{"a":1,,"b":1}`, imagebody.ErrMalformed},
		"comma before image":    {`{,"decrypted_data":"QQ"}`, imagebody.ErrMalformed},
		"comma after image":     {`{"decrypted_data":"QQ",}`, imagebody.ErrMalformed},
		"no comma":              {`{"decrypted_data":"QQ" "a":1}`, imagebody.ErrMalformed},
		"bad literal":           {`{"a":nul}`, imagebody.ErrMalformed},
		"two values":            {`{"a":1 2}`, imagebody.ErrMalformed},
		"string and more":       {`{"a":"b"c}`, imagebody.ErrMalformed},
		"crossed brackets":      {`{"a":[}]}`, imagebody.ErrMalformed},
		"control in name":       {"{\"a\n\":1}", imagebody.ErrMalformed},
		"bad escape elsewhere":  {`{"a":"\q"}`, imagebody.ErrMalformed},
		"after the end":         {`{} {}`, imagebody.ErrMalformed},
		"bad escape":            {`{"decrypted_data":"QQ\q"}`, imagebody.ErrMalformed},
		"bad digits":            {`{"decrypted_data":"QQ\u00g0"}`, imagebody.ErrMalformed},
		"twice":                 {`{"decrypted_data":"QQ","decrypted_data":"QQ"}`, imagebody.ErrDuplicate},
		"twice, null":           {`{"decrypted_data":null,"decrypted_data":"QQ"}`, imagebody.ErrDuplicate},
		"twice, escaped":        {`{"decrypted_data":"","decrypted_dat\u0061":1}`, imagebody.ErrDuplicate},
		"one character":         {`{"decrypted_data":"Q"}`, imagebody.ErrBadBase64},
		"padding cut":           {`{"decrypted_data":"QQ="}`, imagebody.ErrBadBase64},
		"padding too long":      {`{"decrypted_data":"QQ==="}`, imagebody.ErrBadBase64},
		"only padding":          {`{"decrypted_data":"===="}`, imagebody.ErrBadBase64},
		"padding inside":        {`{"decrypted_data":"QQ==QUJD"}`, imagebody.ErrBadBase64},
		"after padding":         {`{"decrypted_data":"QQ==\/"}`, imagebody.ErrBadBase64},
		"other alphabet":        {`{"decrypted_data":"QU-_"}`, imagebody.ErrBadBase64},
		"space":                 {`{"decrypted_data":"QUJD QUJD"}`, imagebody.ErrBadBase64},
		"quote":                 {`{"decrypted_data":"QUJD\"QUI"}`, imagebody.ErrBadBase64},
		"raw line break":        {"{\"decrypted_data\":\"QUJD\nQUJD\"}", imagebody.ErrBadBase64},
		"raw line break at end": {"{\"decrypted_data\":\"QUJDQQ\n\"}", imagebody.ErrBadBase64},
		"raw line feeds":        {"{\"decrypted_data\":\"QUJD\n\n\n\nQUJD\"}", imagebody.ErrBadBase64},
		"raw returns":           {"{\"decrypted_data\":\"QUJD\r\r\r\rQUJD\"}", imagebody.ErrBadBase64},
		"tab":                   {`{"decrypted_data":"QUJD\tQUJD"}`, imagebody.ErrBadBase64},
		"not ascii":             {`{"decrypted_data":"QUJDé"}`, imagebody.ErrBadBase64},
		"escaped not ascii":     {`{"decrypted_data":"QUJD\ud83d\ude00"}`, imagebody.ErrBadBase64},
		"uri cut":               {`{"decrypted_data":"data:image/png"}`, imagebody.ErrBadBase64},
		"uri without base64":    {`{"decrypted_data":"data:text/plain,QQ=="}`, imagebody.ErrBadBase64},
		"uri with control":      {`{"decrypted_data":"data:\u0001;base64,QQ=="}`, imagebody.ErrBadBase64},
		"uri with delete":       {"{\"decrypted_data\":\"data:\x7f;base64,QQ==\"}", imagebody.ErrBadBase64},
		"uri too long": {`{"decrypted_data":"data:` + strings.Repeat("a", 1024) + `;base64,QQ=="}`,
			imagebody.ErrBadBase64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range variants(row.in) {
				got, err := imagebody.Decode(r, io.Discard, imagebody.DecodeOptions{})
				require.ErrorIs(t, err, row.want)
				require.Nil(t, got.Meta)
			}
		})
	}
}

func TestDecodeCutAnywhere(t *testing.T) {
	t.Parallel()
	whole := `{"id":"a\"b","x":[1,{"y":null}],"decrypted_data":"data:image\/png;base64,QUJD\u002bQ==","z":-1.5e3}`
	_, err := imagebody.Decode(strings.NewReader(whole), io.Discard, imagebody.DecodeOptions{})
	require.NoError(t, err)
	for i := range whole {
		_, err := imagebody.Decode(strings.NewReader(whole[:i]), io.Discard, imagebody.DecodeOptions{})
		require.ErrorIs(t, err, imagebody.ErrTruncated, whole[:i])
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.NotErrorIs(t, err, io.EOF)
	}
}

// Every kind of text at every place around the window's edges.
func TestDecodeAcrossWindows(t *testing.T) {
	t.Parallel()
	img := image(t, 100_001)
	std := base64.StdEncoding.EncodeToString(img)
	forms := map[string]string{
		"plain":           std,
		"no padding":      strings.TrimRight(std, "="),
		"escaped slashes": strings.ReplaceAll(std, "/", `\/`),
		"escaped pluses":  strings.ReplaceAll(std, "+", `\u002b`),
		"lines":           lines(std, 76, `\r\n`),
		"short lines":     lines(std, 3, `\n`),
		"data uri":        "data:image/png;base64," + std,
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for pad := range 12 {
				in := `{"p":"` + strings.Repeat("x", pad) + `","decrypted_data":"` + form + `","id":"1"}`
				for _, r := range []io.Reader{strings.NewReader(in), iotest.HalfReader(strings.NewReader(in))} {
					var out bytes.Buffer
					got, err := imagebody.Decode(r, &out, imagebody.DecodeOptions{Limit: int64(len(img))})
					require.NoError(t, err)
					require.True(t, bytes.Equal(img, out.Bytes()))
					require.Equal(t, `{"p":"`+strings.Repeat("x", pad)+`","id":"1"}`, string(got.Meta))
				}
			}
		})
	}
	for n := 24_576 - 4; n <= 24_576+4; n++ {
		for _, text := range []string{base64.StdEncoding.EncodeToString(img[:n]),
			base64.RawStdEncoding.EncodeToString(img[:n])} {
			var out bytes.Buffer
			_, err := imagebody.Decode(strings.NewReader(`{"decrypted_data":"`+text+`"}`), &out,
				imagebody.DecodeOptions{})
			require.NoError(t, err)
			require.True(t, bytes.Equal(img[:n], out.Bytes()), n)
		}
	}
}

func lines(s string, width int, end string) string {
	var b strings.Builder
	for len(s) > width {
		b.WriteString(s[:width] + end)
		s = s[width:]
	}
	return b.String() + s
}

// Where the image is not wanted, nothing in it is an error.
func TestDecodePassesOverTheImage(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		text string
		want imagebody.Content
	}{
		"empty":          {``, imagebody.Empty},
		"an image":       {`QUJD`, imagebody.Present},
		"no Base64":      {`[encrypted]`, imagebody.Present},
		"another URI":    {`data:image/png,raw`, imagebody.Present},
		"quotes":         {`a\"b\\`, imagebody.Present},
		"any escape":     {`\t\b\f\u00e9\ud83d`, imagebody.Present},
		"any character":  {"é\x7f", imagebody.Present},
		"a long text":    {strings.Repeat(`*\"`, 100_000), imagebody.Present},
		"only a newline": {`\n`, imagebody.Empty},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := `{"id":"1","decrypted_data":"` + row.text + `","n":1}`
			for _, r := range variants(in) {
				got, err := imagebody.Decode(r, nil, imagebody.DecodeOptions{})
				require.NoError(t, err)
				require.Equal(t, row.want, got.Content)
				require.Zero(t, got.Written)
				require.Equal(t, `{"id":"1","n":1}`, string(got.Meta))
			}
			_, err := imagebody.Decode(strings.NewReader(in[:len(in)-8]), nil, imagebody.DecodeOptions{})
			require.ErrorIs(t, err, imagebody.ErrTruncated)
		})
	}
	_, err := imagebody.Decode(strings.NewReader(`{"decrypted_data":"\q"}`), nil, imagebody.DecodeOptions{})
	require.ErrorIs(t, err, imagebody.ErrMalformed)
}

func TestDecodeLimits(t *testing.T) {
	t.Parallel()
	in := `{"decrypted_data":"` + base64.StdEncoding.EncodeToString(image(t, 60_000)) + `"}`
	var out bytes.Buffer
	got, err := imagebody.Decode(strings.NewReader(in), &out, imagebody.DecodeOptions{Limit: 59_999})
	require.ErrorIs(t, err, imagebody.ErrTooLarge)
	require.LessOrEqual(t, out.Len(), 59_999)
	require.EqualValues(t, out.Len(), got.Written)
	_, err = imagebody.Decode(strings.NewReader(in), &out, imagebody.DecodeOptions{Limit: 60_000})
	require.NoError(t, err)

	for _, large := range []string{
		`{"a":"` + strings.Repeat("x", 2<<20) + `"}`,
		`{"a":` + strings.Repeat("[", 2<<20),
		`{"a":` + strings.Repeat("1", 2<<20) + `}`,
		`{"` + strings.Repeat("x", 2<<20) + `":1}`,
		`{` + strings.Repeat(`"a":1,`, 1<<20) + `"a":1}`,
	} {
		_, err = imagebody.Decode(strings.NewReader(large), io.Discard, imagebody.DecodeOptions{})
		require.ErrorIs(t, err, imagebody.ErrMetaTooLarge)
	}
	_, err = imagebody.Decode(strings.NewReader(`{"a":"`+strings.Repeat("x", 2<<20)+`"}`), io.Discard,
		imagebody.DecodeOptions{MetaLimit: 3 << 20})
	require.NoError(t, err)

	_, err = imagebody.Decode(strings.NewReader(`{"a":1}`), io.Discard, imagebody.DecodeOptions{
		MetaLimit: len(`{"a":1`),
	})
	require.NoError(t, err)
	_, err = imagebody.Decode(strings.NewReader(`{"a":1}`), io.Discard, imagebody.DecodeOptions{
		MetaLimit: len(`{"a":`),
	})
	require.ErrorIs(t, err, imagebody.ErrMetaTooLarge)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestDecodeCauses(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk secret-name is full")
	in := `{"decrypted_data":"` + base64.StdEncoding.EncodeToString(image(t, 60_000)) + `"}`
	got, err := imagebody.Decode(strings.NewReader(in), writerFunc(func([]byte) (int, error) {
		return 7, cause
	}), imagebody.DecodeOptions{})
	require.ErrorIs(t, err, imagebody.ErrWrite)
	require.ErrorIs(t, err, cause)
	require.NotContains(t, err.Error(), "secret")
	require.EqualValues(t, 7, got.Written)

	_, err = imagebody.Decode(strings.NewReader(in), writerFunc(func(p []byte) (int, error) {
		return len(p) - 1, nil
	}), imagebody.DecodeOptions{})
	require.ErrorIs(t, err, imagebody.ErrWrite)
	require.ErrorIs(t, err, io.ErrShortWrite)

	for _, sent := range []string{in, in[:40_000], `{"a"`, `{"a":1`, ``} {
		_, err = imagebody.Decode(io.MultiReader(strings.NewReader(sent), iotest.ErrReader(cause)), io.Discard,
			imagebody.DecodeOptions{})
		require.ErrorIs(t, err, imagebody.ErrResponse)
		require.ErrorIs(t, err, cause)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestDecodeProgress(t *testing.T) {
	t.Parallel()
	var seen []int64
	_, err := imagebody.Decode(answer(200_000), io.Discard, imagebody.DecodeOptions{Progress: func(n, total int64) {
		require.Zero(t, total)
		seen = append(seen, n)
	}})
	require.NoError(t, err)
	require.Greater(t, len(seen), 3)
	require.IsIncreasing(t, seen)
	require.EqualValues(t, 200_000, seen[len(seen)-1])
}

// answer is the answer with a picture of n bytes in it.
func answer(n int64) io.Reader {
	s, err := imagebody.NewSource(plain(&picture{n: n}), imagebody.Options{Size: n})
	if err != nil {
		return iotest.ErrReader(err)
	}
	body, err := s.Open()
	if err != nil {
		return iotest.ErrReader(err)
	}
	_, err = io.ReadFull(body, make([]byte, len(`{"data`)))
	if err != nil {
		return iotest.ErrReader(err)
	}
	return io.MultiReader(strings.NewReader(`{"id":"1","decrypted_data`), body)
}

// Not parallel: it counts what the whole process allocates.
func TestDownloadMemory(t *testing.T) {
	const n = 50_000_000
	want := &picture{n: n}
	part := make([]byte, 24<<10)
	same := writerFunc(func(p []byte) (int, error) {
		_, err := io.ReadFull(want, part[:len(p)])
		if err != nil || !bytes.Equal(part[:len(p)], p) {
			return 0, errors.New("another image")
		}
		return len(p), nil
	})
	spent := allocated(func() {
		want.at = 0
		got, err := imagebody.Decode(answer(n), same, imagebody.DecodeOptions{})
		require.NoError(t, err)
		require.EqualValues(t, n, got.Written)
	})
	require.Less(t, spent, uint64(192<<10), "both directions together")

	escaped := `{"decrypted_data":"` + strings.Repeat(`QUJD\/\/\/\/\u002bAAA\n`, 100_000) + `"}`
	spent = allocated(func() {
		_, err := imagebody.Decode(strings.NewReader(escaped), io.Discard, imagebody.DecodeOptions{})
		require.NoError(t, err)
	})
	require.Less(t, spent, uint64(128<<10))
}

func BenchmarkDecode(b *testing.B) {
	img := image(b, 50_000_000)
	std := base64.StdEncoding.EncodeToString(img)
	for _, row := range []struct{ name, text string }{
		{"stream", std},
		{"escaped slashes", strings.ReplaceAll(std, "/", `\/`)},
		{"lines", lines(std, 76, `\n`)},
	} {
		in := `{"decrypted_data":"` + row.text + `"}`
		b.Run(row.name, func(b *testing.B) {
			b.SetBytes(int64(len(img)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := imagebody.Decode(strings.NewReader(in), io.Discard, imagebody.DecodeOptions{})
				require.NoError(b, err)
			}
		})
	}
	b.Run("naive", func(b *testing.B) {
		in := `{"decrypted_data":"` + std + `"}`
		b.SetBytes(int64(len(img)))
		b.ReportAllocs()
		for b.Loop() {
			all, err := io.ReadAll(strings.NewReader(in))
			require.NoError(b, err)
			var v struct {
				Data string `json:"decrypted_data"`
			}
			require.NoError(b, json.Unmarshal(all, &v))
			_, err = base64.StdEncoding.DecodeString(v.Data)
			require.NoError(b, err)
		}
	})
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(int64(len(img)))
		for b.Loop() {
			_, err := io.Copy(struct{ io.Writer }{io.Discard}, plain(strings.NewReader(std)))
			require.NoError(b, err)
		}
	})
}
