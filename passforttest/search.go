package passforttest

import (
	"encoding/base64"
	"strings"
)

// Company is something a company search can find.
type Company struct {
	Name    string `json:"name"`
	Number  string `json:"number"`
	Country string `json:"country"` // alpha-3
	State   string `json:"state"`
}

// searchCompanies finds the configured companies by name or number. Without a
// hit it makes one up from the query, unless the query holds the word "none".
func (s *Server) searchCompanies(c *call) (*reply, error) {
	country, query, state := c.query("country"), c.query("query"), c.query("state")
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
		found = append(found, object{"name": o.Name, "number": o.Number, "country": o.Country, "state": nullable(o.State)})
	}
	lower := strings.ToLower(query)
	for _, o := range s.cfg.companies {
		if o.Country == country && (state == "" || o.State == state) &&
			(strings.Contains(strings.ToLower(o.Name), lower) || strings.EqualFold(o.Number, query)) {
			add(o)
		}
	}
	if len(found) == 0 && len(s.cfg.companies) == 0 && !strings.Contains(lower, "none") {
		id := s.nameID("company", country+lower)
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

// An address id carries its text, so that nothing has to be remembered.
func addressID(text string) string {
	return "sim-" + base64.RawURLEncoding.EncodeToString([]byte(text))
}

func addressText(id string) (string, bool) {
	enc, is := strings.CutPrefix(id, "sim-")
	raw, err := base64.RawURLEncoding.DecodeString(enc)
	return string(raw), is && err == nil
}
