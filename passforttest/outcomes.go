package passforttest

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
)

// Outcome is what a provider will answer to a check.
type Outcome struct {
	// Result is as the check type spells it, such as "2+2" or "Pass": a string, or
	// a constant such as passfort.CheckResultFail. It may be a new one.
	Result any
	// Decision is PASS, FAIL, PARTIAL, WARN or ERROR, a string or a constant such as
	// passfort.DecisionFail; if nil or empty it follows from Result.
	Decision any
	Errors   []ErrorObject // a provider error is made up for ERROR
	Output   any           // output_data; something plain if nil
	// After is how long the provider takes. Zero is the server's check time.
	After time.Duration
	// Never leaves the check running until CompleteCheck.
	Never bool
}

// outcome is an Outcome whose words were checked.
type outcome struct {
	Result   string        `json:"result"`
	Decision string        `json:"decision,omitempty"`
	Errors   []ErrorObject `json:"errors,omitempty"`
	Output   any           `json:"output,omitempty"`
	After    time.Duration `json:"after,omitempty"`
	Never    bool          `json:"never,omitempty"`

	findings []string // what a screening found
}

func (o Outcome) checked() outcome {
	words := outcome{
		Result: word("result of a check", o.Result), Decision: word("decision", o.Decision),
		Errors: o.Errors, Output: o.Output, After: o.After, Never: o.Never,
	}
	if words.Decision != "" {
		mustBe("decision", words.Decision, checkDecisions())
	}
	for _, known := range checkResults() {
		if words.Result != known && strings.EqualFold(words.Result, known) {
			panic(fmt.Sprintf("passforttest: there is no result %q of a check: did you mean %q?", words.Result, known))
		}
	}
	return words
}

// The words that an Outcome may have. A result may be a new one.
func checkDecisions() []string { return []string{"PASS", "FAIL", "PARTIAL", "WARN", "ERROR"} }

func checkResults() []string {
	return []string{"2+2", "1+1", "Pass", "Fail", "Partial", "Refer", "PEP", "Sanction", "Media", "Error", "Review",
		"Passed", "Failed"}
}

// CheckRun is a check about to be run, for a function that decides its outcome.
type CheckRun struct {
	ProfileID   string
	DisplayName string
	CheckType   string
	Variant     string // alias
	CheckID     string
}

type outcomes struct {
	queued map[string][]outcome
	decide func(CheckRun) (Outcome, bool)
}

// SetCheckOutcome programs what checks of a type come to. Each run takes the
// next outcome; the last one stays. Without any, checks come to what the words
// in the profile's name say, or pass.
//
// Words, as whole words in any case: "fail" fails any check, "error" makes the
// provider fail, "partial" gives 1+1 or Partial where the type knows it, and
// "pep", "sanction", "media" and "refer" are found by a screening and may be
// combined.
//
// The type is a string or a passfort.CheckType. One that does not exist panics,
// as does a word of an outcome that is misspelled.
func (s *Server) SetCheckOutcome(checkType any, results ...Outcome) {
	name := word("check type", checkType)
	mustBeCheckType(name)
	queued := make([]outcome, len(results))
	for i, o := range results {
		queued[i] = o.checked()
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	if s.world.outcome.queued == nil {
		s.world.outcome.queued = map[string][]outcome{}
	}
	s.world.outcome.queued[name] = queued
}

// DecideChecks lets a function choose the outcome of every check that
// SetCheckOutcome has not set. It must not call the server. Returning
// false leaves the choice to the words in the name.
func (s *Server) DecideChecks(decide func(CheckRun) (Outcome, bool)) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.outcome.decide = decide
}

func (w *world) chooseOutcome(p *profile, ch *check) outcome {
	if q := w.outcome.queued[ch.Type]; len(q) > 0 {
		if len(q) > 1 {
			w.outcome.queued[ch.Type] = q[1:]
		}
		return w.finished(ch.Type, q[0])
	}
	if w.outcome.decide != nil {
		o, decided := w.outcome.decide(CheckRun{p.ID, p.Summary.Name, ch.Type, ch.VariantAlias, ch.ID})
		if decided {
			return w.finished(ch.Type, o.checked())
		}
	}
	return w.finished(ch.Type, fromWords(ch.Type, p.Summary.Name))
}

// finished returns an outcome with everything that it left open.
func (w *world) finished(checkType string, o outcome) outcome {
	if o.Result == "" {
		o.Result = defaultResult(checkType, o.Decision)
	}
	if o.Decision == "" {
		o.Decision = decisionFor(o.Result)
	}
	if o.Decision == "ERROR" && o.Errors == nil {
		o.Errors = []ErrorObject{{
			Code: CodeProviderConnectionError, Message: "the provider could not be reached", Source: "PROVIDER",
		}}
	}
	if o.After == 0 {
		o.After = w.cfg.checkTime
	}
	if o.findings == nil && o.Decision == "WARN" && screens(checkType) {
		o.findings = []string{o.Result}
	}
	return o
}

func defaultResult(checkType, decision string) string {
	switch decision {
	case "FAIL":
		return "Fail"
	case "ERROR":
		return "Error"
	case "WARN":
		return "Refer"
	case "PARTIAL":
		if checkType == "IDENTITY_CHECK" {
			return "1+1"
		}
		return "Partial"
	}
	if checkType == "IDENTITY_CHECK" {
		return "2+2"
	}
	return "Pass"
}

func decisionFor(result string) string {
	switch result {
	case "Fail":
		return "FAIL"
	case "Error":
		return "ERROR"
	case "1+1", "Partial":
		return "PARTIAL"
	case "PEP", "Sanction", "Media", "Refer", "Review":
		return "WARN"
	case "2+2", "Pass", "Passed":
		return "PASS"
	case "Failed":
		return "FAIL"
	}
	return "ERROR"
}

// resultsOf returns the results that a check of a type may have, or nil if no
// page lists them.
func resultsOf(checkType string) []string {
	switch checkType {
	case "IDENTITY_CHECK":
		return []string{"2+2", "1+1", "Fail", "Error"}
	case "PEPS_AND_SANCTIONS_SCREEN", "COMPANY_PEPS_AND_SANCTIONS_SCREEN":
		return []string{"Pass", "Refer", "PEP", "Sanction", "Media", "Error"}
	case "COMPANY_REGISTRY":
		return []string{"Pass", "Fail", "Error", "Refer"}
	case "COMPANY_OWNERSHIP":
		return []string{"Pass", "Fail", "Error", "Partial"}
	case "DOCUMENT_VERIFICATION", "DOCUMENT_FETCH", "CRA_BANK_ACCOUNT_VERIFICATION", "COMPANY_CHARITIES_REGISTRY",
		"COMPANY_FILINGS", "COMPANY_FILING_PURCHASE", "COMPANY_DOCUMENT_VERIFICATION":
		return []string{"Pass", "Fail", "Error"}
	case "INDIVIDUAL_MANUAL_FORM", "COMPANY_MANUAL_FORM":
		return []string{"Pass", "Fail"}
	}
	return nil
}

func mustBeCheckType(name string) {
	if !passfort.CheckType(name).Known() {
		mustBe("check type", name, checkTypes())
	}
}

// checkTypes are the names to suggest in the place of one that does not exist.
func checkTypes() []string {
	var names []string
	for _, t := range []passfort.CheckType{
		passfort.CheckTypeIdentityCheck, passfort.CheckTypeDocumentVerification, passfort.CheckTypeDocumentFetch,
		passfort.CheckTypePEPsAndSanctionsScreen, passfort.CheckTypeCRABankAccountVerification,
		passfort.CheckTypeCompanyRegistry, passfort.CheckTypeCompanyCharitiesRegistry,
		passfort.CheckTypeCompanyOwnership,
		passfort.CheckTypeCompanyFilings, passfort.CheckTypeCompanyFilingPurchase,
		passfort.CheckTypeCompanyPEPsAndSanctionsScreen, passfort.CheckTypeCompanyDocumentVerification,
		passfort.CheckTypeIndividualManualForm, passfort.CheckTypeCompanyManualForm,
		passfort.CheckTypeDeviceFraudDetection, passfort.CheckTypeVisaCheck, passfort.CheckTypeFraudScreening,
		passfort.CheckTypeCompanyFraudScreening, passfort.CheckTypeCompanyMerchantFraudScreening,
		passfort.CheckTypeGeocoding,
		passfort.CheckTypeCompanyData, passfort.CheckTypeDocumentCapture, passfort.CheckTypeIndividualCustom,
		passfort.CheckTypeCompanyCustom, passfort.CheckTypePEPsScreen, passfort.CheckTypeSanctionsScreen,
		passfort.CheckTypeAdverseMediaScreen,
	} {
		names = append(names, string(t))
	}
	return names
}

func screens(checkType string) bool { return strings.HasSuffix(checkType, "PEPS_AND_SANCTIONS_SCREEN") }

func fromWords(checkType, name string) outcome {
	words := map[string]bool{}
	for _, w := range strings.Fields(strings.ToLower(name)) {
		words[w] = true
	}
	if words["error"] {
		return outcome{Decision: "ERROR"}
	}
	if screens(checkType) {
		var o outcome
		for _, f := range []string{"Sanction", "PEP", "Media", "Refer"} {
			if words[strings.ToLower(f)] {
				o.findings = append(o.findings, f)
			}
		}
		if o.findings != nil {
			o.Result = o.findings[0]
		}
		return o
	}
	switch {
	case words["fail"]:
		return outcome{Decision: "FAIL"}
	case words["partial"] && (checkType == "IDENTITY_CHECK" || checkType == "COMPANY_OWNERSHIP"):
		return outcome{Decision: "PARTIAL"}
	}
	return outcome{}
}

// outputFor returns a plain output for a check type.
func (w *world) outputFor(p *profile, ch *check, o outcome) any {
	out := object{"entity_type": p.Summary.EntityType}
	switch {
	case ch.Type == "IDENTITY_CHECK":
		matches := []object{}
		fields := []string{"FORENAME", "SURNAME", "ADDRESS", "DOB"}
		for i, kind := range []string{"CIVIL", "CREDIT"} {
			if o.Result == "2+2" || o.Result == "1+1" && i == 0 {
				matches = append(matches, object{
					"database_name": title(kind) + " database", "database_type": kind, "matched_fields": fields,
					"count": 1,
				})
			}
		}
		out["electronic_id_check"] = object{"matches": matches}
	case screens(ch.Type):
		results := []object{}
		for _, f := range o.findings {
			results = append(results, w.screeningResult(p, f))
		}
		out["sanctions_results"] = results
	case strings.Contains(ch.Type, "DOCUMENT"):
		documents := []any{}
		if d := p.document(text(ch.Extra, "document_id")); d != nil {
			passed := o.Decision == "PASS"
			d["verification_result"] = object{
				"provider_name": providerName, "all_passed": passed, "image_checks_passed": passed,
				"document_type_passed": passed, "forgery_checks_passed": passed,
			}
			documents = append(documents, d)
		}
		out["documents"] = documents
	case ch.Type == "CRA_BANK_ACCOUNT_VERIFICATION":
		out["bank_account_verifications"] = []any{}
	case strings.HasPrefix(ch.Type, "COMPANY_"):
		if data, err := decodeObject(ch.Input); err == nil && data["metadata"] != nil {
			out["metadata"] = data["metadata"]
		}
		if ch.Type == "COMPANY_OWNERSHIP" {
			out["ownership_structure"] = ownershipOf(ch.Input)
		}
	}
	return out
}

// ownershipOf returns the ownership structure a register has: what the company
// named, and empty lists for the rest.
func ownershipOf(data []byte) object {
	o, _ := decodeObject(data)
	out := object{}
	maps.Copy(out, child(o, "ownership_structure"))
	for _, name := range []string{"shareholders", "share_classes", "beneficial_owners"} {
		if _, is := out[name].([]any); !is {
			out[name] = []any{}
		}
	}
	return out
}

func (w *world) screeningResult(p *profile, finding string) object {
	o := object{
		"match_id": nameID("match", p.ID+finding), "match_name": p.Summary.Name, "score": 0.9,
		"match_countries": []string{}, "match_dates": []string{}, "modified_date": dateTime(w.tick),
	}
	switch finding {
	case "PEP":
		o["pep"] = object{"name": p.Summary.Name, "is_current": true, "match": true, "tier": 2, "roles": []any{}}
	case "Sanction":
		o["sanctions"] = []object{
			{"name": p.Summary.Name, "list": "Simulated list", "is_current": true, "is_past": false},
		}
	case "Media":
		o["media"] = []object{{"title": "Simulated article", "url": "https://news.example/article"}}
	}
	return o
}
