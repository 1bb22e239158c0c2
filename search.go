package passfort

// CompanySearchResult holds the companies that were found, and what went wrong at the provider
// (sheet 2.12).
type CompanySearchResult struct {
	Companies []CompanyCandidate `json:"companies"`
	Errors    []ErrorDetail      `json:"errors"`

	// Unknown holds the members this type has no field for.
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

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// AddressSearchResult holds the addresses that were found (sheet 2.12).
type AddressSearchResult struct {
	Count   *int               `json:"count"`
	Results []AddressCandidate `json:"results"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// AddressCandidate is an address that a search found. Formatting it by ID costs credits.
type AddressCandidate struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	// QuerySubstrings are [start, end] pairs of Text that agree with the query.
	QuerySubstrings [][]int `json:"query_substrings"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
