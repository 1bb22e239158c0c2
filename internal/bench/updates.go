package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// measureUpdates lets many writers append to the collected data of one profile.
func measureUpdates(ctx context.Context, s scale) ([]figure, error) {
	what := fmt.Sprintf("%d writers of one profile, %d changes each", s.writers, s.appends)
	var figures []figure
	for _, way := range []struct {
		name   string
		writer func(*passforttest.Server) func(i int) writer
		atMost float64
	}{
		{"one Client", func(sim *passforttest.Server) func(int) writer {
			shared := sdkWriter(sim.Client())
			return func(int) writer { return shared }
		}, 2.1},
		{"four Clients, as in four processes", func(sim *passforttest.Server) func(int) writer {
			var clients []writer
			for range 4 {
				clients = append(clients, sdkWriter(sim.Client()))
			}
			return func(i int) writer { return clients[i%len(clients)] }
		}, 2.3},
		{"by hand: read, change, write, again after a 412", func(sim *passforttest.Server) func(int) writer {
			hand := byHand()
			return func(int) writer { return handWriter(hand, sim.URL(), sim.APIKey()) }
		}, 0},
	} {
		requests, took, err := contend(ctx, s, way.writer)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{
			what: what + ", " + way.name, value: spreadOf(requests), unit: "requests for each change",
			atMost: way.atMost, seen: "all in " + short(took),
		})
	}
	return figures, nil
}

// writer appends one address to a profile.
type writer func(ctx context.Context, profileID, route string) error

func sdkWriter(client *passfort.Client) writer {
	return func(ctx context.Context, profileID, route string) error {
		_, err := client.CollectedData.Update(ctx, profileID, func(data *passfort.EntityData) error {
			data.AddressHistory = append(data.AddressHistory, passfort.DatedAddress{
				Address: &passfort.Address{Type: passfort.AddressTypeStructured, Country: "GBR", Route: route},
			})
			return nil
		})
		return err
	}
}

func handWriter(hc *http.Client, url, key string) writer {
	return func(ctx context.Context, profileID, route string) error {
		url := url + "/profiles/" + profileID + "/collected_data"
		send := func(method, etag string, body []byte) (*http.Response, error) {
			req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
			if err != nil {
				return nil, err
			}
			req.Header.Set("apikey", key)
			if etag != "" {
				req.Header.Set("If-Match", etag)
			}
			return hc.Do(req)
		}
		for {
			resp, err := send(http.MethodGet, "", nil)
			if err != nil {
				return err
			}
			var data map[string]any
			if err := errors.Join(json.NewDecoder(resp.Body).Decode(&data), resp.Body.Close()); err != nil {
				return err
			}
			history, _ := data["address_history"].([]any)
			data["address_history"] = append(history, map[string]any{
				"address": map[string]any{"type": "STRUCTURED", "country": "GBR", "route": route},
			})
			body, err := json.Marshal(data)
			if err != nil {
				return err
			}
			stored, err := send(http.MethodPost, resp.Header.Get("Etag"), body)
			if err != nil {
				return err
			}
			_ = stored.Body.Close()
			switch stored.StatusCode {
			case http.StatusOK:
				return nil
			case http.StatusPreconditionFailed:
			default:
				return fmt.Errorf("status %d", stored.StatusCode)
			}
		}
	}
}

// contend returns the number of requests for each change that was made.
func contend(
	ctx context.Context, s scale, of func(*passforttest.Server) func(int) writer,
) (requests float64, took time.Duration, err error) {
	sim := passforttest.NewServer(passforttest.WithoutRateLimits())
	defer sim.Close()
	client := sim.Client()
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	if err != nil {
		return 0, 0, err
	}
	sim.ForgetRequests()
	began := time.Now()
	writerOf := of(sim)
	failed := make(chan error, s.writers)
	for w := range s.writers {
		write := writerOf(w)
		go func() {
			for i := range s.appends {
				if err := write(ctx, profile.ID, fmt.Sprintf("Street %d of %d", i, w)); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range s.writers {
		err = errors.Join(err, <-failed)
	}
	took = time.Since(began)
	sent := sim.Count("")
	if err != nil {
		return 0, 0, err
	}
	data, err := client.CollectedData.Get(ctx, profile.ID)
	if err != nil {
		return 0, 0, err
	}
	if changes := s.writers * s.appends; len(data.AddressHistory) != changes {
		return 0, 0, fmt.Errorf("%d changes of %d are there", len(data.AddressHistory), changes)
	}
	return float64(sent) / float64(s.writers*s.appends), took, nil
}
