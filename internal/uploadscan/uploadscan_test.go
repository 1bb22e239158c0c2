package uploadscan_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/uploadscan"
)

const limit = 1 << 20

func TestScan(t *testing.T) {
	t.Parallel()
	gif := append([]byte("GIF89a"), bytes.Repeat([]byte{7}, 50_000)...)
	encoded := base64.StdEncoding.EncodeToString(gif)
	sum := sha256.Sum256(gif)
	for _, row := range []struct{ name, body string }{
		{"plain", `{"data":"` + encoded + `","name":"a.gif"}`},
		{"a data URI", `{"name":"a.gif","data":"data:image/gif;base64,` + encoded + `"}`},
		{"line breaks", `{"name":"a.gif","data":"` + encoded[:76] + `\r\n` + encoded[76:] + `"}`},
		{"escaped letters", `{"name":"a.gif","data":"\u0052` + strings.ReplaceAll(encoded[1:], "/", `\/`) + `"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for name, r := range map[string]io.Reader{
				"at once":      strings.NewReader(row.body),
				"byte by byte": iotest.OneByteReader(strings.NewReader(row.body)),
			} {
				u, err := uploadscan.Scan(r, limit, true)
				require.NoError(t, err, name)
				require.True(t, u.HasData, name)
				require.Equal(t, uploadscan.Image{
					Media: "image/gif", Size: int64(len(gif)), SHA256: hex.EncodeToString(sum[:]), Content: gif,
				}, u.Image, name)
				text, is := u.Text("name")
				require.True(t, is, name)
				require.Equal(t, "a.gif", text, name)
			}
		})
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	large := base64.StdEncoding.EncodeToString(make([]byte, limit+1))
	for _, row := range []struct{ name, body, text string }{
		{"no object", `[]`, "not a JSON object"},
		{"half an object", `{"data":"AAAA"`, "not a JSON object"},
		{"more behind it", `{"data":"AAAA"}{}`, "not a JSON object"},
		{"no Base64", `{"data":"A*AA"}`, "not valid Base64"},
		{"more after the padding", `{"data":"AA==AAAA"}`, "not valid Base64"},
		{"half a group", `{"data":"AAA"}`, "not valid Base64"},
		{"another scheme", `{"data":"data:image/gif,AAAA"}`, "not valid Base64"},
		{"a control character in front", "{\"data\":\"data:image/g\x10;base64,R0lGODlh\"}", "not a JSON object"},
		{"a line break in front", "{\"data\":\"data:image/gif;\nbase64,R0lGODlh\"}", "not a JSON object"},
		{"a line break", "{\"data\":\"R0lG\nODlh\"}", "not a JSON object"},
		{"data twice", `{"data":"AAAA","data":"AAAA"}`, "there twice"},
		{"too large", `{"data":"` + large + `"}`, uploadscan.ErrSize.Error()},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := uploadscan.Scan(strings.NewReader(row.body), limit, false)
			require.ErrorContains(t, err, row.text)
		})
	}
}

func TestMembersThatAreNoText(t *testing.T) {
	t.Parallel()
	u, err := uploadscan.Scan(strings.NewReader(`{"data":7,"name":null,"kind":[]}`), limit, true)
	require.NoError(t, err)
	require.False(t, u.HasData)
	require.True(t, u.Has("data"))
	text, is := u.Text("name")
	require.True(t, is)
	require.Empty(t, text)
	_, is = u.Text("kind")
	require.False(t, is)
}

// What Scan accepts is JSON, and it decodes data as encoding/json and
// encoding/base64 do.
func FuzzScan(f *testing.F) {
	for _, body := range []string{
		`{}`, `{"data":"R0lGODlh"}`, `{"data":"data:image/gif;base64,R0lGODlh","name":"a"}`, `{"data":"R0lG\nODlh"}`,
		`{"data":"\u00520lGODlh","image_type":"BACK"}`, `{"data":7}`, `{"data":"AA==","x":{"y":["}"]}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		u, err := uploadscan.Scan(bytes.NewReader(body), limit, true)
		if err != nil {
			return
		}
		require.True(t, json.Valid(body))
		if !u.HasData {
			return
		}
		var o map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &o))
		var data string
		if json.Unmarshal(o["data"], &data) != nil {
			return // data is there twice, as another type the second time
		}
		if strings.HasPrefix(data, "data:") {
			_, data, _ = strings.Cut(data, ",")
		}
		want, err := base64.StdEncoding.DecodeString(data)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, u.Content))
	})
}
