package passfort

import "context"

// SearchService finds companies in registers and addresses (docs/api/search.md#companies).
type SearchService struct{ road *road }

// Companies searches a country's company register through the account's data
// provider, by name or, where the provider can, by number. The result may hold
// companies and the provider's errors side by side; errors alone are an *Error.
func (s *SearchService) Companies(
	ctx context.Context, options *CompanySearchOptions, opts ...CallOption,
) (*CompanySearchResult, error) {
	return result[CompanySearchResult](ctx, s.road, "Search.Companies", call{
		problem: options.problem(), query: options, opts: opts,
	})
}

// Addresses finds addresses by a part of their text. Pass the id of a result
// to FormatAddress.
func (s *SearchService) Addresses(
	ctx context.Context, options *AddressSearchOptions, opts ...CallOption,
) (*AddressSearchResult, error) {
	return result[AddressSearchResult](ctx, s.road, "Search.Addresses", call{
		problem: options.problem(), query: options, opts: opts,
	})
}

// FormatAddress returns the parts of an address that Addresses found. Each
// call uses credits of the account, so unlike other reads it is sent once.
func (s *SearchService) FormatAddress(
	ctx context.Context, id, countryCode string, opts ...CallOption,
) (*Address, error) {
	problem := missing("address id", id)
	if problem == "" {
		problem = missing("country code", countryCode)
	}
	query := struct {
		ID          string `url:"id"`
		CountryCode string `url:"country_code"`
	}{id, countryCode}
	return result[Address](ctx, s.road, "Search.FormatAddress", call{problem: problem, query: query, opts: opts})
}

// CompanySearchOptions say what to search for.
type CompanySearchOptions struct {
	// Country is required: an ISO 3166-1 alpha-3 code such as "GBR".
	Country string `url:"country"`
	// Query is required: a name, or a number where the provider supports it.
	Query string `url:"query"`
	// State is required for companies in the United States.
	State string `url:"state,omitempty"`
}

func (o *CompanySearchOptions) problem() string {
	switch {
	case o == nil:
		return "the search options are nil"
	case o.Country == "":
		return "the country is empty"
	case o.Query == "":
		return "the query is empty"
	}
	return ""
}

// AddressSearchOptions say what to search for.
type AddressSearchOptions struct {
	// Address is required: a part of the address, at most 200 characters.
	Address string `url:"address"`
	// CountryCode is required: an ISO 3166-1 alpha-3 code.
	CountryCode string `url:"country_code"`
	// Limit is the number of results, at most 100; 0 leaves it to the server, which takes 7.
	Limit int `url:"limit,omitempty"`
}

func (o *AddressSearchOptions) problem() string {
	switch {
	case o == nil:
		return "the search options are nil"
	case o.Address == "":
		return "the address is empty"
	case len([]rune(o.Address)) > 200:
		return "the address has more than 200 characters"
	case o.CountryCode == "":
		return "the country code is empty"
	case o.Limit < 0 || o.Limit > 100:
		return "the limit is not between 0 and 100"
	}
	return ""
}

// CompanySearchResult holds the companies that were found, and what went wrong at the provider
// (docs/api/search.md#companies).
type CompanySearchResult struct {
	Companies []CompanyCandidate `json:"companies"`
	Errors    []ErrorDetail      `json:"errors"`

	Unknown Unknown `json:"-"`
}

// CompanyCandidate is a company that a search found. The fields from NumberLabel on were seen on
// the data provider side.
type CompanyCandidate struct {
	Name   string `json:"name"`
	Number string `json:"number"`
	// Country is an alpha-3 code.
	Country                string                 `json:"country"`
	State                  string                 `json:"state"`
	NumberLabel            string                 `json:"number_label"`
	CountryOfIncorporation string                 `json:"country_of_incorporation"`
	Status                 string                 `json:"status"`
	ProviderReference      *ProviderReference     `json:"provider_reference"`
	Addresses              []CompanyAddress       `json:"addresses"`
	Contact                *CompanyContactDetails `json:"contact"`
	// IncorporationDate is YYYY-MM-DD.
	IncorporationDate string  `json:"incorporation_date"`
	TaxIDs            []TaxID `json:"tax_ids"`
	StructureType     string  `json:"structure_type"`
	LEI               string  `json:"lei"`

	Unknown Unknown `json:"-"`
}

// AddressSearchResult holds the addresses that were found (docs/api/search.md#addresses).
type AddressSearchResult struct {
	Count   *int               `json:"count"`
	Results []AddressCandidate `json:"results"`

	Unknown Unknown `json:"-"`
}

// AddressCandidate is an address that a search found. Formatting it by ID costs credits.
type AddressCandidate struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	// QuerySubstrings are [start, end] pairs of Text that agree with the query.
	QuerySubstrings [][]int `json:"query_substrings"`

	Unknown Unknown `json:"-"`
}
