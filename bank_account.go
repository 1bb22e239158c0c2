package passfort

// BankAccountOutput is the output of a CRA_BANK_ACCOUNT_VERIFICATION check (sheet 3.5).
type BankAccountOutput struct {
	EntityType               EntityType                `json:"entity_type"`
	BankAccountVerifications []BankAccountVerification `json:"bank_account_verifications"`
	// BankAccountValidations is newer than 2019.
	BankAccountValidations []BankAccountVerification `json:"bank_account_validations"`
	AddressHistory         []DatedAddress            `json:"address_history"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// BankAccountVerification says whether a bank account belongs to a person.
type BankAccountVerification struct {
	// PerformedOn is a date-time.
	PerformedOn string               `json:"performed_on"`
	Match       *bool                `json:"match"`
	BankAccount *BankAccount         `json:"bank_account"`
	Comments    []BankAccountComment `json:"comments"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// BankAccountCommentType is the weight of a BankAccountComment.
type BankAccountCommentType string

// Values of BankAccountCommentType. Others may appear at any time (sheet 1.11).
const (
	BankAccountCommentTypeComment  BankAccountCommentType = "COMMENT"
	BankAccountCommentTypeMatch    BankAccountCommentType = "MATCH"
	BankAccountCommentTypeMismatch BankAccountCommentType = "MISMATCH"
	BankAccountCommentTypeWarning  BankAccountCommentType = "WARNING"
)

// Known reports whether this version of the package has a constant for the value.
func (b BankAccountCommentType) Known() bool {
	switch b {
	case BankAccountCommentTypeComment,
		BankAccountCommentTypeMatch,
		BankAccountCommentTypeMismatch,
		BankAccountCommentTypeWarning:
		return true
	}
	return false
}

// BankAccountComponent is the part of a bank account a comment is about.
type BankAccountComponent string

// Values of BankAccountComponent. Others may appear at any time (sheet 1.11).
const (
	BankAccountComponentUKSortCode      BankAccountComponent = "UK_SORT_CODE"
	BankAccountComponentUKAccountNumber BankAccountComponent = "UK_ACCOUNT_NUMBER"
)

// Known reports whether this version of the package has a constant for the value.
func (b BankAccountComponent) Known() bool {
	switch b {
	case BankAccountComponentUKSortCode,
		BankAccountComponentUKAccountNumber:
		return true
	}
	return false
}

// BankAccountComment is a remark of the provider on a bank account.
type BankAccountComment struct {
	Type      BankAccountCommentType `json:"type"`
	Message   string                 `json:"message"`
	Component BankAccountComponent   `json:"component"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// BankingDetails holds a person's own bank accounts (sheet 3.3, newer than 2019).
type BankingDetails struct {
	BankAccounts []BankAccount `json:"bank_accounts"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// BankAccountType is the form of a bank account's numbers.
type BankAccountType string

// Values of BankAccountType. Others may appear at any time (sheet 1.11).
const (
	BankAccountTypeUKAccount BankAccountType = "UK_ACCOUNT"
)

// Known reports whether this version of the package has a constant for the value.
func (b BankAccountType) Known() bool {
	switch b {
	case BankAccountTypeUKAccount:
		return true
	}
	return false
}

// BankAccount is a bank account (sheet 3.5).
type BankAccount struct {
	// Country is an alpha-3 code.
	Country string          `json:"country"`
	Type    BankAccountType `json:"type"`
	// SortCode is 6 digits, or nn-nn-nn.
	SortCode string `json:"sort_code"`
	// AccountNumber is 8 digits.
	AccountNumber string `json:"account_number"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// MonetaryValue is an amount in a currency (ISO 4217). The API describes it but uses it in no
// known operation (sheet 3.10).
type MonetaryValue struct {
	CurrencyCode string   `json:"currency_code"`
	Value        *float64 `json:"value"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
