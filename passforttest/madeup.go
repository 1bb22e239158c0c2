package passforttest

import "fmt"

// MakeUp adds n made-up profiles and returns their ids, in order. Of each ten, seven
// are people, one is a company and two are its associates. The same n gives the same
// data, and the same seed the same ids; a second call adds the same people again.
// Less than one adds none. No person is real.
func (s *Server) MakeUp(n int) []string {
	ids := make([]string, 0, max(n, 0))
	for len(ids) < n {
		i := len(ids)
		if i%10 != 7 || n-i < 3 {
			ids = append(ids, s.makeUp("INDIVIDUAL_CUSTOMER", madeUpPerson(i), "standard"))
			continue
		}
		director := s.makeUp("INDIVIDUAL_ASSOCIATED", madeUpPerson(i), "")
		owner := s.makeUp("INDIVIDUAL_ASSOCIATED", madeUpPerson(i+1), "")
		link := func(id string) []object {
			return []object{{"entity_type": "INDIVIDUAL", "linked_profile": object{"id": id}}}
		}
		ids = append(ids, director, owner, s.makeUp("COMPANY_CUSTOMER", object{
			"entity_type": "COMPANY",
			"metadata": object{
				"name": fmt.Sprintf("Simulated Holdings %d Ltd", i), "number": fmt.Sprintf("%08d", i),
				"country_of_incorporation": "GBR",
			},
			"officers":            object{"directors": link(director)},
			"ownership_structure": object{"shareholders": link(owner), "beneficial_owners": link(owner)},
		}, "standard"))
	}
	return ids
}

// Profiles returns how many profiles there are.
func (s *Server) Profiles() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roster.count
}

func madeUpPerson(i int) object {
	given := []string{"Alex", "Billie", "Charlie", "Dana", "Eden", "Frankie", "Glenn", "Harper", "Indigo", "Jules"}
	family := []string{"Ashdown", "Brook", "Carrow", "Dunmore", "Elling", "Farrow", "Garth", "Hallam", "Ingram",
		"Jarrow", "Kestle"}
	return object{
		"entity_type":  "INDIVIDUAL",
		"customer_ref": fmt.Sprintf("made-up-%06d", i),
		"personal_details": object{
			"name": object{
				"given_names": []string{given[i%len(given)]}, "family_name": fmt.Sprintf("%s %d", family[i%len(family)],
					i),
			},
			"dob": fmt.Sprintf("%d-%02d-%02d", 1950+i%50, 1+i%12, 1+i%28), "nationality": "GBR",
		},
		"address_history": []object{{"address": object{
			"type": "STRUCTURED", "country": "GBR", "street_number": itoa(1 + i%99), "route": "Simulated Street",
			"locality": "Sampleton",
		}}},
	}
}

// makeUp creates one of them, which nothing can refuse.
func (s *Server) makeUp(role string, data object, product string) string {
	id, err := s.createAs(role, data, product)
	if err != nil {
		panic("passforttest: a made-up profile is refused: " + err.Error())
	}
	return id
}

// createAs creates a profile as a call with the master key would.
func (s *Server) createAs(role string, data object, product string) (string, error) {
	body := object{"role": role, "collected_data": data, "applications": []object{}}
	if product != "" {
		body["applications"] = []object{{"product": object{"alias": product}}}
	}
	s.enter()
	defer s.leave()
	if _, err := s.createProfile(&call{body: encode(body), key: s.state.Keys[s.cfg.apiKey]}); err != nil {
		return "", err
	}
	return s.roster.page(s.roster.count-1, 1)[0].ID, nil
}
