package passfort

// DatedAddress is an entry of a person's address history (sheet 3.3).
type DatedAddress struct {
	Address *Address `json:"address"`
	// StartDate and EndDate are approximate dates, YYYY-MM. An address without dates is current.
	StartDate string `json:"start_date"`
	EndDate   string `json:"end_date"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// Address is a postal address in one of two forms, told apart by Type (sheet 3.3).
type Address struct {
	Type AddressType `json:"type"`
	// Country is an ISO 3166-1 alpha-3 code, or RKS for Kosovo. Always send it.
	Country string `json:"country"`
	// Text is the whole address, parts separated by commas. It belongs to the freeform form, all
	// fields below to the structured one.
	Text string `json:"text"`
	// StateProvince is required for USA and Canada. It is not a UK county.
	StateProvince string `json:"state_province"`
	// County is not a US state.
	County     string `json:"county"`
	PostalCode string `json:"postal_code"`
	// Locality is the city or town.
	Locality string `json:"locality"`
	// PostalTown is newer than 2019.
	PostalTown string `json:"postal_town"`
	// Route is the street.
	Route        string `json:"route"`
	StreetNumber string `json:"street_number"`
	// Premise is the name of the building.
	Premise string `json:"premise"`
	// Subpremise is the flat or unit.
	Subpremise string `json:"subpremise"`
	// AddressLines was seen on the data provider side.
	AddressLines []string `json:"address_lines"`
	// Longitude and Latitude, in degrees, are newer than 2019.
	Longitude *float64 `json:"longitude"`
	Latitude  *float64 `json:"latitude"`
	// OriginalFreeformAddress is the text this address was made from, kept by the server. Send it
	// back unchanged.
	OriginalFreeformAddress string `json:"original_freeform_address"`
	// OriginalStructuredAddress is the address before the server changed it. Send it back
	// unchanged.
	OriginalStructuredAddress *Address `json:"original_structured_address"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// AddressType tells the two forms of an address apart.
type AddressType string

// Values of AddressType. Others may appear at any time (sheet 1.11).
const (
	// AddressTypeFreeform needs Country and Text. The server turns it into a structured address
	// and keeps the text in OriginalFreeformAddress.
	AddressTypeFreeform AddressType = "FREEFORM"
	// AddressTypeStructured has the address in parts.
	AddressTypeStructured AddressType = "STRUCTURED"
)

// Known reports whether this version of the package has a constant for the value.
func (a AddressType) Known() bool {
	switch a {
	case AddressTypeFreeform,
		AddressTypeStructured:
		return true
	}
	return false
}
