package passforttest

import (
	"encoding/base64"
	"maps"
	"regexp"
	"strings"
)

// searchRoutes are the operations on searches.
func searchRoutes() []*route {
	return []*route{
		{Operation: "Search.Companies", Method: get, Path: "/search/companies",
			handle: (*world).searchCompanies},
		{Operation: "Search.Addresses", Method: get, Path: "/address/search",
			handle: (*world).searchAddresses},
		{Operation: "Search.FormatAddress", Method: get, Path: "/address/format",
			handle: (*world).formatAddress},
	}
}

// rewriteAddresses does to collected data what the server does: a FREEFORM address becomes
// STRUCTURED and keeps its text (docs/api/profiles.md#collected-data). It reports whether
// anything changed.
func (w *world) rewriteAddresses(v any) bool {
	changed := false
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			changed = w.rewriteAddresses(e) || changed
		}
	case object:
		for k, e := range v {
			if a, is := e.(object); is && k == "address" {
				changed = w.rewriteAddress(a) || changed
				continue
			}
			if k == "custom_fields_data" {
				continue
			}
			changed = w.rewriteAddresses(e) || changed
		}
	}
	return changed
}

func (w *world) rewriteAddress(a object) bool {
	switch text(a, "type") {
	case "FREEFORM":
		freeform, is := a["text"].(string)
		if !is {
			return false
		}
		delete(a, "text")
		a["type"] = "STRUCTURED"
		a["original_freeform_address"] = freeform
		for k, v := range parseAddress(freeform, text(a, "country")) {
			if _, there := a[k]; !there {
				a[k] = v
			}
		}
		return true
	case "STRUCTURED":
		if _, there := a["original_structured_address"]; there || !w.switches().OriginalStructuredAddress {
			return false
		}
		a["original_structured_address"] = maps.Clone(a)
		return true
	}
	return false
}

var (
	streetNumber = regexp.MustCompile(`^(\d+[A-Za-z]?)\s+(.+)$`)
	postalCode   = regexp.MustCompile(`(?i)\b([A-Z]{1,2}\d[A-Z\d]?\s*\d[A-Z]{2}|\d{4,6}(?:-\d{4})?)\b`)
)

// parseAddress splits a free text, at commas first. The real service uses a
// geocoder; this is only plausible.
func parseAddress(s, country string) object {
	out := object{}
	if code := postalCode.FindAllString(s, -1); len(code) > 0 {
		last := code[len(code)-1]
		if i := strings.LastIndex(s, last); i > 0 {
			out["postal_code"] = strings.ToUpper(last)
			s = s[:i] + s[i+len(last):]
		}
	}
	var parts []string
	for _, p := range strings.Split(s, ",") {
		if p = strings.TrimSpace(p); p != "" && !strings.EqualFold(p, country) {
			parts = append(parts, p)
		}
	}
	if len(parts) > 1 {
		out["locality"] = parts[len(parts)-1]
		parts = parts[:len(parts)-1]
	}
	for _, p := range parts {
		if m := streetNumber.FindStringSubmatch(p); m != nil {
			out["street_number"], out["route"] = m[1], m[2]
			continue
		}
		if _, there := out["premise"]; !there {
			out["premise"] = p
		} else if _, there := out["route"]; !there {
			out["route"] = p
		}
	}
	return out
}

func (w *world) searchAddresses(c *call) (*reply, error) {
	query := c.query.Get("address")
	switch {
	case query == "":
		return nil, missing("address")
	case len([]rune(query)) > 200:
		return nil, invalid("address is too long")
	case c.query.Get("country_code") == "":
		return nil, missing("country_code")
	}
	limit, err := intQuery(c, "limit", 7, 1, 100)
	if err != nil {
		return nil, err
	}
	results := []object{}
	for i := range min(limit, 3) {
		t := itoa(i+1) + " " + query
		results = append(results, object{
			"id": addressID(t), "text": t,
			"query_substrings": [][2]int{{len(itoa(i+1)) + 1, len(itoa(i+1)) + 1 + len([]rune(query))}},
		})
	}
	return ok(object{"count": len(results), "results": results}), nil
}

func (w *world) formatAddress(c *call) (*reply, error) {
	country := c.query.Get("country_code")
	switch {
	case c.query.Get("id") == "":
		return nil, missing("id")
	case country == "":
		return nil, missing("country_code")
	}
	t, known := addressText(c.query.Get("id"))
	if !known {
		return nil, notFound("address")
	}
	w.charge("address/format")
	a := parseAddress(t, country)
	a["type"], a["country"], a["original_freeform_address"] = "STRUCTURED", country, t
	return ok(a), nil
}

// Company is something a company search can find.
type Company struct {
	Name    string `json:"name"`
	Number  string `json:"number"`
	Country string `json:"country"` // alpha-3
	State   string `json:"state"`
}

// searchCompanies finds the configured companies by name or number. Without a
// hit it makes one up from the query, unless the query holds the word "none".
func (w *world) searchCompanies(c *call) (*reply, error) {
	country, query, state := c.query.Get("country"), c.query.Get("query"), c.query.Get("state")
	switch {
	case country == "":
		return nil, missing("country")
	case len(country) != 3:
		return nil, invalid("country is not an alpha-3 code")
	case query == "":
		return nil, missing("query")
	case country == "USA" && state == "":
		return nil, missing("state")
	}
	found := []object{}
	add := func(o Company) {
		found = append(found, object{
			"name": o.Name, "number": o.Number, "country": o.Country, "state": nullable(o.State),
		})
	}
	lower := strings.ToLower(query)
	for _, o := range w.cfg.companies {
		if o.Country == country && (state == "" || o.State == state) &&
			(strings.Contains(strings.ToLower(o.Name), lower) || strings.EqualFold(o.Number, query)) {
			add(o)
		}
	}
	if len(found) == 0 && len(w.cfg.companies) == 0 && !strings.Contains(lower, "none") {
		id := nameID("company", country+lower)
		number := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'f' {
				return r - 'a' + '0'
			}
			return r
		}, id[:8])
		add(Company{Name: strings.ToUpper(query) + " LTD", Number: number, Country: country, State: state})
	}
	return ok(object{"companies": found, "errors": []any{}}), nil
}

// addressID returns an id that holds the text of an address, so that nothing has to be
// stored.
func addressID(text string) string {
	return "sim-" + base64.RawURLEncoding.EncodeToString([]byte(text))
}

func addressText(id string) (string, bool) {
	enc, is := strings.CutPrefix(id, "sim-")
	raw, err := base64.RawURLEncoding.DecodeString(enc)
	return string(raw), is && err == nil
}
