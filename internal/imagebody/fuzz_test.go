package imagebody_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/imagebody"
)

// reference does what Decode does with the standard library and the whole
// answer in memory.
func reference(in []byte) (out []byte, meta map[string]string, ok bool) {
	if !json.Valid(in) {
		return nil, nil, false
	}
	d := json.NewDecoder(bytes.NewReader(in))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, nil, false
	}
	meta = map[string]string{}
	found := false
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, false
		}
		if name == "decrypted_data" {
			if found {
				return nil, nil, false
			}
			found = true
			var text *string
			if json.Unmarshal(value, &text) == nil && text != nil {
				if out, ok = referenceImage(*text); !ok {
					return nil, nil, false
				}
				continue
			}
		}
		meta[name.(string)] = string(value)
	}
	return out, meta, true
}

func referenceImage(text string) ([]byte, bool) {
	text = strings.NewReplacer("\r", "", "\n", "").Replace(text)
	if len(text) >= 5 && strings.EqualFold(text[:5], "data:") {
		head, rest, found := strings.Cut(text, ",")
		if !found || len(head) >= 1024 || !strings.HasSuffix(strings.ToLower(head), ";base64") {
			return nil, false
		}
		for _, c := range []byte(head) {
			if c < 0x20 || c >= 0x7f {
				return nil, false
			}
		}
		text = rest
	}
	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		out, err = base64.RawStdEncoding.DecodeString(text)
	}
	return out, err == nil
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"decrypted_data":""}`, `{"decrypted_data":null,"a":[{}]}`, `{"decrypted_data":"QQ=="}`,
		`{"a":1,"decrypted_data":"data:image\/png;base64,QUJD\u002b\n","b":"\""}`,
		`{"decrypted_data":"QUJDQUJDQUJDQUJDQUI"}`,
		`{"decrypted_dat\u0061":"QQ","decrypted_data":"QQ"}`, `{"a":[}`, `{"a":1,}`, "{\"decrypted_data\":\"QQ\nQQ\"}",
		`{"decrypted_data":"` + strings.Repeat(`QUJD\/\/\/\/`, 40) + `"}`, `{"decrypted_data":"DATA:;x;BASE64,QQ"} `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want, wantMeta, ok := reference(in)
		for _, r := range []io.Reader{bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in))} {
			var out bytes.Buffer
			got, err := imagebody.Decode(r, &out, imagebody.DecodeOptions{MetaLimit: 1 << 30})
			require.Equal(t, ok, err == nil, err)
			if !ok {
				continue
			}
			require.True(t, bytes.Equal(want, out.Bytes()))
			var meta map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(got.Meta, &meta))
			require.Len(t, meta, len(wantMeta))
			for name, value := range wantMeta {
				require.Equal(t, value, string(meta[name]))
			}
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("x"), uint16(5), true)
	f.Add(bytes.Repeat([]byte("?>~"), 700), uint16(1), false)
	f.Add([]byte("\x00\xff"), uint16(32<<10-1), true)
	f.Fuzz(func(t *testing.T, rest []byte, buffer uint16, seekable bool) {
		img := append([]byte(pngHead), rest...)
		var r io.Reader = bytes.NewReader(img)
		if !seekable {
			r = plain(r)
		}
		s, err := imagebody.NewSource(r, imagebody.Options{})
		require.NoError(t, err)
		sent, err := drain(open(t, s), int(buffer)+1)
		require.NoError(t, err)
		require.Equal(t, object(img), sent)
		var out bytes.Buffer
		got, err := imagebody.Decode(strings.NewReader(strings.Replace(sent, "data", "decrypted_data", 1)), &out,
			imagebody.DecodeOptions{})
		require.NoError(t, err)
		require.True(t, bytes.Equal(img, out.Bytes()))
		require.Equal(t, "{}", string(got.Meta))
	})
}
