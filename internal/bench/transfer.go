package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/bench/generated"
)

const (
	rawUpload   = "raw POST of the bytes already encoded"
	rawDownload = "raw GET, thrown away"
	naive       = "whole image in memory: encode, marshal"
	naiveBack   = "whole image in memory: unmarshal, decode"
	fromSpec    = "generated client"
)

// fileServer drops what it gets, and gives content to whoever asks.
func fileServer(content []byte) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			_, _ = w.Write(content)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"id":"`+fileID+`"}`)
	}))
}

// transfers are long, each on a connection of its own: some are fast for as long as
// they last and some are slow. Those that hold the image are longest.
func (s scale) transfers() scale {
	s.turns = min(s.turns, 15)
	return s
}

func (s scale) long() scale {
	s.turns = min(s.turns, 3)
	return s
}

// measureUpload sends one image.
func measureUpload(ctx context.Context, s scale) ([]figure, error) {
	s = s.transfers()
	img := picture(s.image)
	encoded := []byte(`{"data":"` + base64.StdEncoding.EncodeToString(img) + `"}`)
	srv := fileServer(nil)
	defer srv.Close()
	hand := byHand()
	var client *passfort.Client
	fresh := afresh(srv, hand, &client)
	made, err := generatedClient(srv.URL, hand)
	if err != nil {
		return nil, err
	}
	url := srv.URL + "/profiles/" + profileID + "/files"
	post := func(ctx context.Context, body []byte) error {
		_, err := exchange(ctx, hand, http.MethodPost, url, bytes.NewReader(body))
		return err
	}
	rivals := []rival{
		{name: "SDK", before: fresh, run: func(ctx context.Context) error {
			_, err := client.Files.Upload(ctx, profileID, &passfort.FileUpload{Body: bytes.NewReader(img)})
			return err
		}},
		{name: rawUpload, before: fresh, run: func(ctx context.Context) error { return post(ctx, encoded) }},
		{name: naive, before: fresh, run: func(ctx context.Context) error {
			all, err := io.ReadAll(bytes.NewReader(img))
			if err != nil {
				return err
			}
			body, err := json.Marshal(map[string]string{"data": base64.StdEncoding.EncodeToString(all)})
			if err != nil {
				return err
			}
			return post(ctx, body)
		}},
		{name: fromSpec, before: fresh, run: func(ctx context.Context) error {
			all, err := io.ReadAll(bytes.NewReader(img))
			if err != nil {
				return err
			}
			data := base64.StdEncoding.EncodeToString(all)
			got, err := made.UploadFileWithResponse(ctx, profileID, generated.File{Data: &data})
			if err == nil && got.JSON200 == nil {
				err = fmt.Errorf("status %d", got.StatusCode())
			}
			return err
		}},
	}
	what := "Upload an image of " + megabytes(s.image)
	figures, err := transferFigures(ctx, s, what, rivals)
	promised(figures, rawUpload, 1.15)
	promised(figures, naive, 0.25)
	return figures, err
}

// afresh returns what each run begins with: no connection, no garbage, a new client.
func afresh(srv *httptest.Server, hand *http.Client, client **passfort.Client) func() {
	return func() {
		hand.CloseIdleConnections()
		srv.CloseClientConnections()
		// the images of one are not collected in the time of the next
		runtime.GC()
		*client, _ = passfort.New(apiKey, passfort.WithBaseURL(srv.URL)) // fails on a bad URL only
	}
}

// measureDownload reads one image.
func measureDownload(ctx context.Context, s scale) ([]figure, error) {
	s = s.transfers()
	srv := fileServer([]byte(`{"id":"` + fileID + `","decrypted_data":"` +
		base64.StdEncoding.EncodeToString(picture(s.image)) + `"}`))
	defer srv.Close()
	hand := byHand()
	var client *passfort.Client
	fresh := afresh(srv, hand, &client)
	made, err := generatedClient(srv.URL, hand)
	if err != nil {
		return nil, err
	}
	url := srv.URL + "/profiles/" + profileID + "/files/" + fileID
	rivals := []rival{
		{name: "SDK", before: fresh, run: func(ctx context.Context) error {
			_, err := client.Files.Download(ctx, profileID, fileID, io.Discard)
			return err
		}},
		{name: rawDownload, before: fresh, run: func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			resp, err := hand.Do(req)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			return errors.Join(err, resp.Body.Close())
		}},
		{name: naiveBack, before: fresh, run: func(ctx context.Context) error {
			body, err := exchange(ctx, hand, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			var file struct {
				Data []byte `json:"decrypted_data"`
			}
			return json.Unmarshal(body, &file)
		}},
		{name: fromSpec, before: fresh, run: func(ctx context.Context) error {
			got, err := made.GetFileWithResponse(ctx, profileID, fileID)
			if err != nil {
				return err
			}
			if got.JSON200 == nil || got.JSON200.DecryptedData == nil {
				return fmt.Errorf("status %d", got.StatusCode())
			}
			_, err = base64.StdEncoding.DecodeString(*got.JSON200.DecryptedData)
			return err
		}},
	}
	what := "Download an image of " + megabytes(s.image)
	figures, err := transferFigures(ctx, s, what, rivals)
	promised(figures, rawDownload, 1.1)
	return figures, err
}

// transferFigures are the ratios of the times, and what each rival allocates
// for one transfer. The first two hold no image.
func transferFigures(ctx context.Context, s scale, what string, rivals []rival) ([]figure, error) {
	t, err := race(ctx, s, rivals[:2]...)
	if err != nil {
		return nil, err
	}
	figures := t.ratios(what, rivals[:2]...)
	long := slices.Delete(slices.Clone(rivals), 1, 2)
	if t, err = race(ctx, s.long(), long...); err != nil {
		return nil, err
	}
	figures = append(figures, t.ratios(what, long...)...)
	for _, r := range rivals {
		bytes, err := allocated(ctx, r)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{
			what: what + ": memory asked for, " + r.name, value: spreadOf(bytes / 1e6), unit: "MB",
		})
	}
	return figures, nil
}

func megabytes(n int) string { return number(float64(n)/1e6) + " MB" }
