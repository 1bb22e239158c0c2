package passfort

// PersonalDetails is who a person is (docs/api/people.md#individual-data).
type PersonalDetails struct {
	Name *FullName `json:"name"`
	// DOB is a partial date: YYYY, YYYY-MM or YYYY-MM-DD. See ParsePartialDate.
	DOB string `json:"dob"`
	// Nationality is an ISO 3166-1 alpha-3 code or one of the additional ICAO codes
	// (docs/api/basics.md#values).
	Nationality string `json:"nationality"`
	Gender      Gender `json:"gender"`
	// NationalIdentityNumber maps an alpha-3 country code to the number issued there.
	NationalIdentityNumber map[string]string `json:"national_identity_number"`

	Unknown Unknown `json:"-"`
}

// FullName is the name of a person (docs/api/people.md#individual-data). Title and AltFamilyNames
// can be set only through the API, not in the portal.
type FullName struct {
	Title string `json:"title"`
	// GivenNames are the first and middle names. The server splits them at white space and trims
	// them.
	GivenNames []string `json:"given_names"`
	FamilyName string   `json:"family_name"`
	// AltFamilyNames are other family names, for example a maiden name.
	AltFamilyNames []string `json:"alt_family_names"`

	Unknown Unknown `json:"-"`
}

// Gender of a person (docs/api/profiles.md#roles-and-states). Leave it out when it is neither.
type Gender string

// Values of Gender. Others may appear at any time.
const (
	GenderMale   Gender = "M"
	GenderFemale Gender = "F"
)

// ContactDetails are a person's phone number and email address
// (docs/api/people.md#individual-data).
type ContactDetails struct {
	PhoneNumber string `json:"phone_number"`
	Email       string `json:"email"`

	Unknown Unknown `json:"-"`
}

// Continent is the two-letter code of a continent.
type Continent string

// Values of Continent. Others may appear at any time.
const (
	ContinentAfrica       Continent = "AF"
	ContinentAntarctica   Continent = "AN"
	ContinentAsia         Continent = "AS"
	ContinentEurope       Continent = "EU"
	ContinentNorthAmerica Continent = "NA"
	ContinentOceania      Continent = "OC"
	ContinentSouthAmerica Continent = "SA"
)

// ProxyType is the kind of proxy an IP address belongs to.
type ProxyType string

// Values of ProxyType. Others may appear at any time.
const (
	ProxyTypeAnonymous ProxyType = "ANONYMOUS"
)

// IPLocation is an IP address and where the server located it (docs/api/people.md#individual-data).
// Only IPAddress is yours to send.
type IPLocation struct {
	IPAddress string `json:"ip_address"`
	// Country is an alpha-3 code.
	Country   string    `json:"country"`
	Continent Continent `json:"continent"`
	// Region and the fields below are newer than 2019.
	Region      string       `json:"region"`
	City        string       `json:"city"`
	Coordinates *Coordinates `json:"coordinates"`
	Proxy       ProxyType    `json:"proxy"`

	Unknown Unknown `json:"-"`
}

// Coordinates is a point in degrees, with an optional name.
type Coordinates struct {
	Longitude *float64 `json:"longitude"`
	Latitude  *float64 `json:"latitude"`
	Name      string   `json:"name"`

	Unknown Unknown `json:"-"`
}
