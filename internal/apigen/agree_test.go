package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// advice are the texts of what is wise, and not ruled out.
var advice = []string{
	"belongs to ", "is before the start", "is missing", "it is required in the USA", "has an empty name",
	"is not an IP address", "is not of the form YYYY-MM", "is not between 0 and 100", "a screening sends one address",
}

// Of collected data made by schema and spoiled, the simulator refuses what
// EntityData.Validate reports, at the same places, but for advice.
func TestValidateAgreesWithStrict(t *testing.T) {
	t.Parallel()
	rounds := 2_000
	if os.Getenv("PASSFORT_LONG") != "" {
		rounds = 20_000
	}
	g := newGenerator(t, rand.New(rand.NewPCG(17, 20)))
	srv := passforttest.New(passforttest.WithoutRateLimits())
	t.Cleanup(srv.Close)
	f := &foreigner{t: t, g: g}
	schema := map[string]any{"$ref": "#/components/schemas/EntityData"}
	refused, agreed := 0, map[string]bool{}
	for range rounds {
		v := g.value(schema, "", 0).(map[string]any)
		v["entity_type"] = pick(g, "INDIVIDUAL", "COMPANY")
		for range g.IntN(4) {
			if o, is := g.spoiled(v).(map[string]any); is {
				v = o
			}
		}
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		var data passfort.EntityData
		if json.Unmarshal(raw, &data) != nil || !data.EntityType.Known() || bytes.Contains(raw, []byte(`[null`)) {
			continue
		}
		body := `{"role":"` + string(data.EntityType) + `_CUSTOMER","collected_data":` + string(raw) + `}`
		rec := f.serve(srv, http.MethodPost, "/profiles", body, nil)
		strict, judged := problemsOf(t, rec.Body.Bytes())
		if rec.Code/100 != 2 && !judged {
			continue
		}
		reported := map[string]string{}
		for _, p := range data.Validate() {
			reported[p.Pointer] = p.Text
		}
		for pointer, text := range strict {
			refused++
			if ofType(text) {
				continue
			}
			agreed[text] = true
			parent := pointer[:strings.LastIndex(pointer, "/")]
			inParent := strings.HasPrefix(text, "its name") && reported[parent] != ""
			if reported[pointer] == "" && !inParent {
				f.t.Errorf("strict only, %s: %s\n%.1500s", pointer, text, raw)
			}
		}
		for pointer, text := range reported {
			isAdvice := slices.ContainsFunc(advice, func(a string) bool { return strings.Contains(text, a) })
			if strict[pointer] == "" && !isAdvice && len(strict) < 20 && !under(strict, pointer) {
				f.t.Errorf("Validate only, %s: %s\n%.1500s", pointer, text, raw)
			}
		}
		if t.Failed() {
			return
		}
	}
	require.Greater(t, refused, rounds/10)
	t.Logf("%d problems, of %d kinds beside types", refused, len(agreed))
}

// problemsOf returns the problems of a refusal by pointer into the collected data.
func problemsOf(t *testing.T, body []byte) (found map[string]string, judged bool) {
	t.Helper()
	var refusal struct {
		Errors []struct {
			Message string
			Info    struct{ Pointer string }
		}
	}
	require.NoError(t, json.Unmarshal(body, &refusal))
	found = map[string]string{}
	for _, e := range refusal.Errors {
		if pointer, is := strings.CutPrefix(e.Info.Pointer, "/collected_data"); is {
			_, found[pointer], _ = strings.Cut(e.Message, ": ")
		}
	}
	return found, len(found) > 0
}

// ofType reports whether a problem is one of JSON, which Go's types do not have.
func ofType(text string) bool {
	return slices.Contains([]string{
		"is not a string", "is neither true nor false", "is not a whole number", "is not a number", "is not a list",
		"is not an object",
	}, text)
}

// under reports whether a place is at, or below, one that has a problem of the simulator,
// or the other way round.
func under(strict map[string]string, pointer string) bool {
	for at := range strict {
		if strings.HasPrefix(at, pointer) || strings.HasPrefix(pointer, at) {
			return true
		}
	}
	return false
}
