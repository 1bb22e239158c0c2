package passforttest

import (
	"maps"
	"regexp"
	"strings"
)

// rewriteAddresses does to collected data what the server does: a FREEFORM
// address becomes STRUCTURED and keeps its text (sheet 2.3). It says whether
// anything changed.
func (s *Server) rewriteAddresses(v any) bool {
	changed := false
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			changed = s.rewriteAddresses(e) || changed
		}
	case object:
		for k, e := range v {
			if a, is := e.(object); is && k == "address" {
				changed = s.rewriteAddress(a) || changed
				continue
			}
			if k == "custom_fields_data" {
				continue
			}
			changed = s.rewriteAddresses(e) || changed
		}
	}
	return changed
}

func (s *Server) rewriteAddress(a object) bool {
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
		if _, there := a["original_structured_address"]; there || !s.sw.OriginalStructuredAddress {
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

// parseAddress takes a free text apart, commas first. The real service uses a
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

func (s *Server) searchAddresses(c *call) (*reply, error) {
	query := c.query("address")
	switch {
	case query == "":
		return nil, missing("address")
	case len([]rune(query)) > 200:
		return nil, invalid("address is too long")
	case c.query("country_code") == "":
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

func (s *Server) formatAddress(c *call) (*reply, error) {
	country := c.query("country_code")
	switch {
	case c.query("id") == "":
		return nil, missing("id")
	case country == "":
		return nil, missing("country_code")
	}
	t, known := addressText(c.query("id"))
	if !known {
		return nil, notFound("address")
	}
	s.charge("address/format")
	a := parseAddress(t, country)
	a["type"], a["country"], a["original_freeform_address"] = "STRUCTURED", country, t
	return ok(a), nil
}
