package passfort_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/wire"
)

// entityJSON returns collected data of about the given size.
func entityJSON(size int) []byte {
	address := `{"address":{"type":"STRUCTURED","country":"GBR","postal_code":"AB%d 2CD","locality":"Sampletown",` +
		`"route":"High Street","street_number":"%d","premise":"","original_structured_address":{"route":"HIGH ` +
		`STREET","locality":"SAMPLETOWN"}},"start_date":"2001-0%d","end_date":null,"verified":true}`
	officer := `{"entity_type":"INDIVIDUAL","immediate_data":{"entity_type":"INDIVIDUAL",` +
		`"personal_details":{"name":{"given_names":["Sam","%d"],"family_name":"Sample","title":"Dr"},` +
		`"dob":"1970-01-0%d","nationality":"GBR"}},"appointed_on":"2010-05-0%d",` +
		`"natures_of_control":["ownership-of-shares-75-to-100-percent"],"shareholdings":[{"share_class":"ORDINARY",` +
		`"amount":100,"percentage":12.5,"currency":"GBP"}],"resolver_id":"a2c4393a-e219-67a4-5ab4-2186952e9038"}`
	head := `{"entity_type":"COMPANY","customer_ref":"crm-1","metadata":{"name":"Sample Ltd","number":"01234567",` +
		`"country_of_incorporation":"GBR","is_active":true,"number_of_employees":12,` +
		`"contact_information":{"email":"info@example.com"},"new_member":{"a":[1,2,3]}},` +
		`"custom_fields_data":{"tier":"gold","limit":2500.5,"vip":false},"address_history":[`
	var a, o []string
	for i := 1; len(head)+len(strings.Join(a, ","))+len(strings.Join(o, ",")) < size-700; i++ {
		a = append(a, fmt.Sprintf(address, i, i, i%9+1))
		o = append(o, fmt.Sprintf(officer, i, i%9+1, i%9+1))
	}
	return []byte(head + strings.Join(a, ",") + `],"officers":{"directors":[` + strings.Join(o, ",") + `]}}`)
}

// plain returns a type like t, but without methods and unknown members: what
// a client that drops everything it does not know would use.
func plain(t reflect.Type, depth int) reflect.Type {
	switch t.Kind() {
	case reflect.Pointer:
		return reflect.PointerTo(plain(t.Elem(), depth))
	case reflect.Slice:
		return reflect.SliceOf(plain(t.Elem(), depth))
	case reflect.Map:
		return reflect.MapOf(t.Key(), plain(t.Elem(), depth))
	case reflect.Struct:
		if depth == 0 {
			return reflect.TypeFor[struct{}]()
		}
		var fields []reflect.StructField
		for i := range t.NumField() {
			f := t.Field(i)
			name := f.Tag.Get("json")
			if name == "-" {
				continue
			}
			fields = append(fields, reflect.StructField{
				Name: f.Name, Type: plain(f.Type, depth-1), Tag: reflect.StructTag(fmt.Sprintf(`json:"%s,omitempty"`,
					name)),
			})
		}
		return reflect.StructOf(fields)
	case reflect.String:
		return reflect.TypeFor[string]()
	default:
		return t
	}
}

// interleaved runs ours and theirs in turn and reports the ratio of their
// times, and each of them.
func interleaved(b *testing.B, ours, theirs func()) {
	b.Helper()
	var a, z time.Duration
	n := 0
	for b.Loop() {
		n++
		first, second := ours, theirs
		if n%2 == 0 {
			first, second = theirs, ours
		}
		start := time.Now()
		first()
		mid := time.Now()
		second()
		end := time.Now()
		if n%2 == 0 {
			a, z = a+end.Sub(mid), z+mid.Sub(start)
		} else {
			a, z = a+mid.Sub(start), z+end.Sub(mid)
		}
	}
	b.ReportMetric(float64(a)/float64(z), "ratio")
	b.ReportMetric(float64(a.Nanoseconds())/float64(n)/1e3, "us-ours")
	b.ReportMetric(float64(z.Nanoseconds())/float64(n)/1e3, "us-theirs")
}

// BenchmarkEntity decodes and encodes collected data, lossless against
// encoding/json with structs that drop what they do not know.
func BenchmarkEntity(b *testing.B) {
	typ := plain(reflect.TypeFor[passfort.EntityData](), 7)
	for _, size := range []int{4 << 10, 200 << 10} {
		doc := entityJSON(size)
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			interleaved(b, func() {
				var e passfort.EntityData
				require.NoError(b, e.UnmarshalJSON(doc))
				_, err := e.MarshalJSON()
				require.NoError(b, err)
			}, func() {
				v := reflect.New(typ).Interface()
				require.NoError(b, json.Unmarshal(doc, v))
				_, err := json.Marshal(v)
				require.NoError(b, err)
			})
		})
	}
}

// BenchmarkDrift decodes collected data with a drift reporter, and without one.
func BenchmarkDrift(b *testing.B) {
	doc := entityJSON(200 << 10)
	var reported int
	interleaved(b, func() {
		var e passfort.EntityData
		require.NoError(b, wire.UnmarshalReporting(doc, &e, func(wire.Drift) { reported++ }))
	}, func() {
		var e passfort.EntityData
		require.NoError(b, wire.UnmarshalReporting(doc, &e, nil))
	})
	require.Positive(b, reported)
}

// BenchmarkProfileGet reads a profile, through the SDK against net/http and
// encoding/json written by hand.
func BenchmarkProfileGet(b *testing.B) {
	profile := []byte(`{"id":"` + pid + `","role":"COMPANY_CUSTOMER","collected_data":` + string(entityJSON(2<<10)) +
		`,"applications":[{"id":"` + oid + `","status":"APPLIED","flag":"AUTOMATING","product":{"alias":"gold"}}],` +
		`"tasks":[]}`)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(profile) }))
	b.Cleanup(s.Close)
	c, err := passfort.New(testKey, passfort.WithBaseURL(s.URL))
	require.NoError(b, err)
	typ := plain(reflect.TypeFor[passfort.Profile](), 7)
	byHand := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	interleaved(b, func() {
		_, err := c.Profiles.Get(b.Context(), pid)
		require.NoError(b, err)
	}, func() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL+"/profiles/"+pid, nil)
		require.NoError(b, err)
		req.Header.Set("apikey", testKey)
		resp, err := byHand.Do(req)
		require.NoError(b, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(b, err)
		_ = resp.Body.Close()
		require.NoError(b, json.Unmarshal(body, reflect.New(typ).Interface()))
	})
}

const fiftyMB = 50_000_000

// discarding is the cheapest server there is: it drops what it gets. A GET is
// answered with the given body.
func discarding(t testing.TB, content []byte) *httptest.Server {
	srv := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			_, _ = w.Write(content)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, identity)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func clientOf(t testing.TB, srv *httptest.Server, opts ...passfort.Option) *passfort.Client {
	first := []passfort.Option{passfort.WithBaseURL(srv.URL),
		passfort.WithHTTPClient(&http.Client{Transport: trusting(srv)})}
	c, err := passfort.New("key", append(first, opts...)...)
	require.NoError(t, err)
	return c
}

// rival is one of several ways to do the same.
type rival struct {
	name string
	run  func(context.Context) error
}

// race runs the rivals in turn, so that noise hits all of them, and returns
// the best time of each. Each run has a connection of its own: some are fast
// for as long as they last and some are slow.
func race(b *testing.B, srv *httptest.Server, rivals []rival) map[string]time.Duration {
	best := map[string]time.Duration{}
	for b.Loop() {
		for _, r := range rivals {
			srv.CloseClientConnections()
			began := time.Now()
			require.NoError(b, r.run(b.Context()), r.name)
			if took := time.Since(began); best[r.name] == 0 || took < best[r.name] {
				best[r.name] = took
			}
		}
	}
	for _, r := range rivals {
		b.ReportMetric(float64(best[r.name].Microseconds())/1000, r.name+"-ms")
	}
	b.ReportMetric(0, "ns/op")
	return best
}

func exchange(ctx context.Context, method, url string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req) //nolint:bodyclose // errClose closes it
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errClose(err, resp.Body)
}

func errClose(err error, c io.Closer) error {
	if closed := c.Close(); err == nil {
		return closed
	}
	return err
}

// BenchmarkUpload prints how long one image of 50 MB takes, against a raw POST
// of the same bytes already encoded and against reading, encoding and
// marshalling it in memory.
func BenchmarkUpload(b *testing.B) {
	img := picture(fiftyMB)
	encoded := []byte(`{"data":"` + base64.StdEncoding.EncodeToString(img) + `"}`)
	srv := discarding(b, nil)
	url := srv.URL + "/profiles/" + pid + "/files"
	best := race(b, srv, []rival{
		{"sdk", func(ctx context.Context) error {
			client := clientOf(b, srv)
			return failed(client.Files.Upload(ctx, pid, &passfort.FileUpload{Body: bytes.NewReader(img)}))
		}},
		{"raw", func(ctx context.Context) error {
			return exchange(ctx, http.MethodPost, url, bytes.NewReader(encoded))
		}},
		{"naive", func(ctx context.Context) error {
			all, err := io.ReadAll(bytes.NewReader(img))
			if err != nil {
				return err
			}
			body, err := json.Marshal(map[string]string{"data": base64.StdEncoding.EncodeToString(all)})
			if err != nil {
				return err
			}
			return exchange(ctx, http.MethodPost, url, bytes.NewReader(body))
		}},
	})
	b.ReportMetric(best["sdk"].Seconds()/best["raw"].Seconds(), "sdk/raw")
	b.ReportMetric(best["naive"].Seconds()/best["sdk"].Seconds(), "naive/sdk")
}

// BenchmarkDownload prints how long one image of 50 MB takes, against a raw GET
// of the same answer that is thrown away.
func BenchmarkDownload(b *testing.B) {
	srv := discarding(b, []byte(`{"id":"`+oid+`","decrypted_data":"`+
		base64.StdEncoding.EncodeToString(picture(fiftyMB))+`"}`))
	best := race(b, srv, []rival{
		{"sdk", func(ctx context.Context) error {
			client := clientOf(b, srv)
			return failed(client.Files.Download(ctx, pid, oid, io.Discard))
		}},
		{"raw", func(ctx context.Context) error { return exchange(ctx, http.MethodGet, srv.URL, nil) }},
	})
	b.ReportMetric(best["sdk"].Seconds()/best["raw"].Seconds(), "sdk/raw")
}

// picture returns a PNG by its head, n bytes long.
func picture(n int) []byte {
	img := make([]byte, n)
	for i := range img {
		img[i] = byte(i ^ i>>8*31 ^ i>>16)
	}
	copy(img, pngHead)
	return img
}

const pngHead = "\x89PNG\r\n\x1a\n"
