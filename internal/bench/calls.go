package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/bench/generated"
)

// handTimeout is what a client by hand has for a whole call. Without one a silent server
// holds it permanently.
const handTimeout = time.Minute

// byHand is the client that one writes: with a timeout, and all else as it is.
func byHand() *http.Client {
	return &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: handTimeout}
}

// exchange sends a request by hand and returns the whole answer.
func exchange(ctx context.Context, hc *http.Client, method, url string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("apikey", apiKey)
	resp, err := hc.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return io.ReadAll(resp.Body)
}

func generatedClient(url string, hc *http.Client) (*generated.ClientWithResponses, error) {
	key := func(_ context.Context, req *http.Request) error {
		req.Header.Set("apikey", apiKey)
		return nil
	}
	return generated.NewClientWithResponses(url, generated.WithHTTPClient(hc), generated.WithRequestEditorFn(key))
}

// profileServer answers with the profile.
func profileServer(profile []byte) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(profile)
	}))
}

const (
	decodedByHand = "net/http and encoding/json by hand"
	bytesByHand   = "net/http by hand"
)

// readDecoded reads a profile into a struct.
func readDecoded(client *passfort.Client, hand *http.Client, url string) []rival {
	return []rival{
		{name: "SDK", run: func(ctx context.Context) error {
			_, err := client.Profiles.Get(ctx, profileID)
			return err
		}},
		{name: decodedByHand, run: func(ctx context.Context) error {
			body, err := exchange(ctx, hand, http.MethodGet, url+"/profiles/"+profileID, nil)
			if err != nil {
				return err
			}
			return json.Unmarshal(body, reflect.New(plainProfile).Interface())
		}},
	}
}

// readBytes reads the bytes of a profile.
func readBytes(client *passfort.Client, hand *http.Client, url string) []rival {
	return []rival{
		{name: "SDK, bytes", run: func(ctx context.Context) error {
			_, err := passfort.Do[json.RawMessage](ctx, client, passfort.Request{
				Method: http.MethodGet, Path: "/profiles/" + profileID,
			})
			return err
		}},
		{name: bytesByHand, run: func(ctx context.Context) error {
			_, err := exchange(ctx, hand, http.MethodGet, url+"/profiles/"+profileID, nil)
			return err
		}},
	}
}

// measureCall reads a profile of about 2 KB.
func measureCall(ctx context.Context, s scale) ([]figure, error) {
	srv := profileServer(profileJSON(profileID))
	defer srv.Close()
	s.round = srv.CloseClientConnections // some connections are slow for as long as they last
	client, err := passfort.New(apiKey, passfort.WithBaseURL(srv.URL))
	if err != nil {
		return nil, err
	}
	made, err := generatedClient(srv.URL, byHand())
	if err != nil {
		return nil, err
	}
	hand := byHand()
	rivals := append(readDecoded(client, hand, srv.URL), rival{
		name: "generated client, the measured fields only", run: func(ctx context.Context) error {
			got, err := made.GetProfileWithResponse(ctx, profileID)
			if err == nil && got.JSON200 == nil {
				err = fmt.Errorf("status %d", got.StatusCode())
			}
			return err
		},
	})
	known, err := peers(srv.URL)
	if err != nil {
		return nil, err
	}
	rivals = append(rivals, known...)
	t, err := race(ctx, s, rivals...)
	if err != nil {
		return nil, err
	}
	figures := t.ratios("Read a profile", rivals...)
	promised(figures, decodedByHand, 1)
	bytes := readBytes(client, hand, srv.URL)
	t, err = race(ctx, s, bytes...)
	if err != nil {
		return nil, err
	}
	figures = append(figures, t.ratios("Read the bytes of a profile", bytes...)...)
	promised(figures, bytesByHand, 1.15)
	return figures, nil
}
