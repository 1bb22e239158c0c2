package encodings_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/encodings"
)

const (
	canaryKey    = "kanarie-key-0451"
	canaryPerson = "kanarie-person-0451"
)

// holds reports whether a text has the canary, in whichever spelling bytes are printed in.
func holds(text, canary string) bool {
	raw := []byte(canary)
	squeezed := regexp.MustCompile(`[\s,|]|0x`).ReplaceAllString(strings.ToLower(text), "")
	var decimals strings.Builder
	for _, b := range raw {
		fmt.Fprintf(&decimals, "%d ", b)
	}
	for _, spelled := range []string{canary, strings.TrimSpace(decimals.String()),
		strings.ReplaceAll(strings.TrimSpace(decimals.String()), " ", ", ")} {
		if strings.Contains(strings.ToLower(text), spelled) {
			return true
		}
	}
	for shift := range 3 { // Base64 of what is around it
		inside := base64.StdEncoding.EncodeToString(append(make([]byte, shift), raw...))
		if strings.Contains(text, inside[(8*shift+5)/6:len(inside)-4]) {
			return true
		}
	}
	return strings.Contains(squeezed, hex.EncodeToString(raw))
}

func TestHolds(t *testing.T) {
	t.Parallel()
	around := []byte("before " + canaryKey + " after")
	for _, text := range []string{
		string(around), strings.ToUpper(string(around)), fmt.Sprintf("%x", around), fmt.Sprintf("% X", around),
		fmt.Sprintf("%#v", around),
		fmt.Sprintf("%d", around), hex.Dump([]byte(canaryKey)),
		base64.StdEncoding.EncodeToString(around), base64.StdEncoding.EncodeToString(around[1:]),
		base64.StdEncoding.EncodeToString(around[2:]),
	} {
		require.True(t, holds(text, canaryKey), text)
	}
	require.False(t, holds("kanarie", canaryKey))
}

// No print form and no encoder shows a key, by whatever path it goes to it.
func TestSecretsInPrints(t *testing.T) {
	t.Parallel()
	secret := passfort.NewSecret(canaryKey)
	client, err := passfort.New(canaryKey)
	require.NoError(t, err)
	other, err := client.WithKey(canaryKey + "-2")
	require.NoError(t, err)
	handler, err := passfort.NewWebhookHandler([]string{canaryKey})
	require.NoError(t, err)
	request := passfort.CustomerRequest{ID: "r1", APIKey: secret}
	subjects := map[string]any{
		"Secret":                  secret,
		"*Secret":                 &secret,
		"[]Secret":                []passfort.Secret{secret},
		"map of Secret":           map[string]passfort.Secret{"a": secret},
		"field":                   struct{ Key passfort.Secret }{secret},
		"field that is a pointer": &struct{ Key *passfort.Secret }{&secret},
		"unexported field":        struct{ key passfort.Secret }{secret},
		"any":                     []any{map[string]any{"key": secret}},
		"CustomerRequest":         request,
		"*CustomerRequest":        &request,
		"Client":                  *client,
		"*Client":                 client,
		"Client of another key":   other,
		"WebhookHandler":          handler,
		"option of a client":      passfort.WithHTTPClient(http.DefaultClient),
		"options of a call": []passfort.CallOption{passfort.Header("X-Token", canaryKey),
			passfort.Query("token", canaryKey)},
		"error of a bad key":    failed(passfort.New(canaryKey + "\n")),
		"error of a bad secret": failed(passfort.NewWebhookHandler([]string{canaryKey + "\n"})),
		"error of a bad address": failed(passfort.New(canaryKey,
			passfort.WithBaseURL("http://"+canaryKey+"@passfort.example"))),
		"error of a bad header": failed(client.Profiles.Get(t.Context(), "p1",
			passfort.Header("Apikey", canaryKey))),
		"error of a call of no one": failed(client.Profiles.Get(t.Context(), canaryKey+"/..")),
	}
	for name, subject := range subjects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, print := range encodings.Prints() {
				require.False(t, holds(print.Text(subject), canaryKey), "%s: %s", print.Name, print.Text(subject))
			}
		})
	}
}

func failed[T any](_ T, err error) error { return err }

// echoing is a server that repeats the key and has a person in every place of its answer.
func echoing(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for _, name := range []string{"X-Request-Id", "X-Kanarie", "Retry-After", "Content-Type", "Location"} {
			w.Header().Set(name, canaryPerson+" "+r.Header.Get("Apikey"))
		}
		w.Header().Set("Etag", `"`+canaryPerson+`"`)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"id":%[1]q,"entity_type":"INDIVIDUAL","customer_ref":%[1]q,"state":%[1]q,"%[1]s":%[2]q,
			"errors":[{"code":201,"message":%[2]q,"source":{"key":%[2]q},"info":%[2]q,
				"type":%[1]q,"sub_type":%[1]q,"data":{"a":%[2]q},"%[1]s":1}]}`,
			canaryPerson, canaryPerson+" "+r.Header.Get("Apikey")+string(body[:min(len(body), 200)]))
	}
}

// failures are the errors of calls of every kind to such servers.
func failures(t *testing.T) map[string]error {
	t.Helper()
	all := map[string]error{}
	for name, answer := range map[string]http.HandlerFunc{
		"refused": echoing(400), "not found": echoing(404), "conflict": echoing(412), "limited": echoing(429),
		"unavailable": echoing(503),
		"conflict with data": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"`+canaryPerson+`"`)
			w.WriteHeader(http.StatusPreconditionFailed)
			_, _ = fmt.Fprintf(w, `{"entity_type":"INDIVIDUAL","customer_ref":%q,"new":%q}`, canaryPerson,
				r.Header.Get("Apikey"))
		},
		"redirected": echoing(307), "errors in a 200": echoing(200),
		"no JSON":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, canaryPerson+canaryKey) },
		"no answer": func(_ http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
	} {
		srv := httptest.NewServer(answer)
		t.Cleanup(srv.Close)
		client, err := passfort.New(canaryKey, passfort.WithBaseURL(srv.URL+"/4.0"),
			passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		t.Cleanup(cancel)
		short, cancelShort := context.WithTimeout(ctx, 200*time.Millisecond)
		t.Cleanup(cancelShort)
		data := passfort.NewIndividual()
		data.CustomerRef = canaryPerson
		for call, err := range map[string]error{
			"read": failed(client.Profiles.Get(ctx, "p1")),
			"write": failed(client.Profiles.Create(ctx, &passfort.ProfileRequest{
				Role: passfort.RoleIndividualCustomer, CollectedData: data,
			})),
			"replace": failed(client.CollectedData.Replace(ctx, "p1", &passfort.CollectedData{
				EntityData: *data, ETag: "v1",
			})),
			"wait": failed(client.Checks.Wait(short, "p1", "c1", nil)),
			"upload": failed(client.Files.Upload(ctx, "p1", &passfort.FileUpload{
				Name: canaryPerson, Body: strings.NewReader("%PDF-" + canaryPerson),
			})),
			"stream": failed(passfort.DoTo(ctx, client, passfort.Request{Method: "POST", Path: "/" + canaryPerson,
				Body: data}, io.Discard)),
		} {
			if err != nil {
				all[name+", "+call] = err
			}
		}
	}
	return all
}

// No print form of an error and no encoder shows the key, a person, or what the server said. What ignores
// methods reads the fields of an error, where the answer is; the key is not among them.
func TestErrorsInPrints(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for name, err := range failures(t) {
		toldTheKey := !strings.HasPrefix(name, "no ")
		subjects := map[string]any{
			"": err, "in a field": struct{ Err error }{err}, "in a list": []any{err},
			"wrapped": fmt.Errorf("calling: %w", err),
		}
		var failure *passfort.Error
		if errors.As(err, &failure) {
			subjects["by value"] = *failure
			seen["Error"] = true
		}
		var conflict *passfort.ConflictError
		if errors.As(err, &conflict) {
			subjects["conflict by value"] = *conflict
			seen["ConflictError"] = true
		}
		var waited *passfort.WaitError
		if errors.As(err, &waited) {
			subjects["wait by value"] = *waited
			seen["WaitError"] = true
		}
		for how, subject := range subjects {
			for _, print := range encodings.Prints() {
				text := print.Text(subject)
				if print.IgnoresMethods && toldTheKey {
					continue // it is in the fields Errors and Latest
				}
				if how == "wrapped" && slices.Contains([]string{"fmt %t", "fmt %U", "fmt %c", "fmt %e"}, print.Name) {
					continue // no verbs for errors: they print the fields of what fmt.Errorf returns
				}
				if holds(text, canaryKey) || !print.IgnoresMethods && holds(text, canaryPerson) {
					t.Errorf("%s, %s: %s: %s", name, how, print.Name, text[:min(len(text), 400)])
				}
			}
		}
	}
	require.Len(t, seen, 3)
}
