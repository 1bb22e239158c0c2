package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"

	"github.com/go-resty/resty/v2"
	"github.com/google/go-github/v74/github"
	"github.com/openai/openai-go/v2"
	"github.com/openai/openai-go/v2/option"
	"github.com/stripe/stripe-go/v82"
)

// stripeProfile is a profile that stripe-go reads.
type stripeProfile struct{ stripe.APIResource }

// UnmarshalJSON decodes what all others decode.
func (*stripeProfile) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, reflect.New(plainProfile).Interface())
}

// peers are well-known clients that read the same profile, each the way in which
// its own methods send.
func peers(server string) ([]rival, error) {
	base, err := url.Parse(server + "/")
	if err != nil {
		return nil, err
	}
	route := "profiles/" + profileID
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(server), HTTPClient: byHand(), EnableTelemetry: stripe.Bool(false),
	})
	ai := openai.NewClient(option.WithBaseURL(base.String()), option.WithAPIKey(apiKey),
		option.WithHTTPClient(byHand()))
	hub := github.NewClient(byHand())
	hub.BaseURL = base
	rest := resty.NewWithClient(byHand())
	return []rival{
		{name: "stripe-go", run: func(ctx context.Context) error {
			return backend.Call(http.MethodGet, "/v1/"+route, apiKey, &stripe.Params{Context: ctx}, new(stripeProfile))
		}},
		{name: "openai-go", run: func(ctx context.Context) error {
			return ai.Get(ctx, route, nil, reflect.New(plainProfile).Interface())
		}},
		{name: "go-github", run: func(ctx context.Context) error {
			req, err := hub.NewRequest(http.MethodGet, route, nil)
			if err != nil {
				return err
			}
			_, err = hub.Do(ctx, req, reflect.New(plainProfile).Interface())
			return err
		}},
		{name: "resty", run: func(ctx context.Context) error {
			got, err := rest.R().SetContext(ctx).SetHeader("apikey", apiKey).
				SetResult(reflect.New(plainProfile).Interface()).Get(server + "/" + route)
			if err == nil && got.StatusCode() != http.StatusOK {
				err = fmt.Errorf("status %d", got.StatusCode())
			}
			return err
		}},
	}, nil
}
