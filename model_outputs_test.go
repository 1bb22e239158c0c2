package passfort_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// outputAccessors are the accessors of a check's output by name.
var outputAccessors = map[string]func(*passfort.Check) (any, error){
	"IdentityResult":    func(c *passfort.Check) (any, error) { return c.IdentityResult() },
	"DocumentResults":   func(c *passfort.Check) (any, error) { return c.DocumentResults() },
	"ScreeningResults":  func(c *passfort.Check) (any, error) { return c.ScreeningResults() },
	"BankAccountResult": func(c *passfort.Check) (any, error) { return c.BankAccountResult() },
	"DeviceFraudResult": func(c *passfort.Check) (any, error) { return c.DeviceFraudResult() },
	"VisaResult":        func(c *passfort.Check) (any, error) { return c.VisaResult() },
	"CompanyResult":     func(c *passfort.Check) (any, error) { return c.CompanyResult() },
	"FormResult":        func(c *passfort.Check) (any, error) { return c.FormResult() },
}

// outputRows say which accessor reads the output of which type of check.
var outputRows = []struct{ checkType, accessor, output string }{
	{"IDENTITY_CHECK", "IdentityResult",
		`{"entity_type":"INDIVIDUAL","electronic_id_check":{"matches":[{"database_name":"Register"}]}}`},
	{"DOCUMENT_VERIFICATION", "DocumentResults",
		`{"documents":[{"id":"d1","verification_result":{"all_passed":true}}]}`},
	{"COMPANY_DOCUMENT_VERIFICATION", "DocumentResults", `{"documents":[{"id":"d1"}]}`},
	{"DOCUMENT_FETCH", "DocumentResults", `{"documents":[{"id":"d1"}]}`},
	{"DOCUMENT_CAPTURE", "DocumentResults", `{"documents":[{"id":"d1"}]}`},
	{"PEPS_AND_SANCTIONS_SCREEN", "ScreeningResults", `{"sanctions_results":[{"match_id":"m1"}]}`},
	{"COMPANY_PEPS_AND_SANCTIONS_SCREEN", "ScreeningResults", `{"screening_hits":[{"status":"MATCH"}]}`},
	{"CRA_BANK_ACCOUNT_VERIFICATION", "BankAccountResult", `{"bank_account_verifications":[{"match":true}]}`},
	{"DEVICE_FRAUD_DETECTION", "DeviceFraudResult", `{"device_fraud_detection":{"total_score":3}}`},
	{"VISA_CHECK", "VisaResult", `{"visa_check":{"visas":[{"name":"Skilled"}]}}`},
	{"COMPANY_REGISTRY", "CompanyResult", `{"entity_type":"COMPANY","metadata":{"name":"Sample Ltd"}}`},
	{"COMPANY_CHARITIES_REGISTRY", "CompanyResult", `{"charity_data":{"purposes":["good"]}}`},
	{"COMPANY_OWNERSHIP", "CompanyResult", `{"ownership_structure":{"shareholders":[{"total_percentage":50}]}}`},
	{"COMPANY_FILINGS", "CompanyResult", `{"filings":[{"source_id":"f1","price":3}]}`},
	{"COMPANY_FILING_PURCHASE", "CompanyResult", `{"filings":[{"source_id":"f1"}]}`},
	{"COMPANY_DATA", "CompanyResult", `{"field_checks":[{"field":"NAME","result":"MATCH"}]}`},
	{"INDIVIDUAL_MANUAL_FORM", "FormResult", `{"personal_details":{"dob":"1990"}}`},
	{"COMPANY_MANUAL_FORM", "FormResult", `{"metadata":{"name":"Sample Ltd"}}`},
}

func TestCheckOutputs(t *testing.T) {
	t.Parallel()
	for _, row := range outputRows {
		t.Run(row.checkType, func(t *testing.T) {
			t.Parallel()
			raw := strings.TrimSuffix(row.output, "}") + `,"brand_new":{"a":1.50}}`
			var check passfort.Check
			require.NoError(t, json.Unmarshal([]byte(`{"id":"c","check_type":"`+row.checkType+
				`","state":"COMPLETE","output_data":`+raw+`}`), &check))
			require.True(t, check.Type.Known())
			for name, accessor := range outputAccessors {
				out, err := accessor(&check)
				if name != row.accessor {
					require.ErrorIs(t, err, passfort.ErrOtherOutput, name)
					require.NotErrorIs(t, err, passfort.ErrNoOutput, name)
					var failure *passfort.OutputError
					require.ErrorAs(t, err, &failure)
					require.Equal(t, check.Type, failure.Type)
					require.EqualError(t, err, "passfort: the check has another output: "+row.checkType+", COMPLETE")
					continue
				}
				require.NoError(t, err)
				again, err := json.Marshal(out)
				require.NoError(t, err)
				require.JSONEq(t, raw, string(again), "the unknown member included")
			}
			require.Equal(t, raw, string(check.OutputData), "the raw output stays")
		})
	}
}

func TestCheckOutputsCoverTheDescribedTypes(t *testing.T) {
	t.Parallel()
	undescribed := []string{
		"FRAUD_SCREENING", "COMPANY_FRAUD_SCREENING", "COMPANY_MERCHANT_FRAUD_SCREENING", "GEOCODING",
		"INDIVIDUAL_CUSTOM", "COMPANY_CUSTOM", "PEPS_SCREEN", "SANCTIONS_SCREEN", "ADVERSE_MEDIA_SCREEN",
	}
	for _, checkType := range append(slices.Clone(readModelFields(t).values["CheckType"]), "SOMETHING_NEW") {
		check := passfort.Check{
			Type: passfort.CheckType(checkType), State: passfort.CheckStateComplete, OutputData: json.RawMessage(`{}`),
		}
		var reads []string
		for name, accessor := range outputAccessors {
			if _, err := accessor(&check); err == nil {
				reads = append(reads, name)
			}
		}
		if checkType == "SOMETHING_NEW" || slices.Contains(undescribed, checkType) {
			require.Empty(t, reads, checkType)
		} else {
			require.Len(t, reads, 1, checkType)
		}
	}
}

func TestCheckWithoutOutput(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, output, want string
		reason             error
	}{
		{"pending", ``, "passfort: the check has no output: VISA_CHECK, RUNNING", passfort.ErrNoOutput},
		{"null", `null`, "passfort: the check has no output: VISA_CHECK, RUNNING", passfort.ErrNoOutput},
		{"of another shape", `["secret-data"]`, "passfort: the check has another output: VISA_CHECK, RUNNING",
			passfort.ErrOtherOutput},
		{"text", `"secret-data"`, "passfort: the check has another output: VISA_CHECK, RUNNING",
			passfort.ErrOtherOutput},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			check := passfort.Check{
				Type: passfort.CheckTypeVisaCheck, State: passfort.CheckStateRunning,
				OutputData: json.RawMessage(row.output),
			}
			out, err := check.VisaResult()
			require.Nil(t, out)
			require.ErrorIs(t, err, row.reason)
			require.EqualError(t, err, row.want)
			for _, text := range []string{fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err),
				slog.AnyValue(err).Resolve().String()} {
				require.NotContains(t, text, "secret-data")
			}
		})
	}
	check := passfort.Check{Type: "Jane Doe", State: "at home", OutputData: json.RawMessage(`{}`)}
	_, err := check.CompanyResult()
	require.EqualError(t, err, "passfort: the check has another output")
	_, err = check.FormResult()
	require.EqualError(t, err, "passfort: the check has another output")
}

func TestCheckInput(t *testing.T) {
	t.Parallel()
	check := passfort.Check{
		Type:      passfort.CheckTypeIdentityCheck,
		InputData: json.RawMessage(`{"entity_type":"INDIVIDUAL","customer_ref":"7"}`),
	}
	in, err := check.InputEntity()
	require.NoError(t, err)
	require.Equal(t, "7", in.CustomerRef)
	for _, raw := range []string{``, `null`, `7`} {
		check.InputData = json.RawMessage(raw)
		in, err = check.InputEntity()
		require.Nil(t, in)
		require.ErrorIs(t, err, passfort.ErrNoInput)
		require.NotErrorIs(t, err, passfort.ErrNoOutput)
		require.ErrorAs(t, err, new(*passfort.OutputError))
	}
}

func TestScreeningMatchesOfBothGenerations(t *testing.T) {
	t.Parallel()
	check := passfort.Check{Type: passfort.CheckTypePEPsAndSanctionsScreen, OutputData: json.RawMessage(`{
		"sanctions_results":[
			{"match_id":"a","pep":{"tier":1},"media":[{"title":"t"}]},
			{"match_id":"b","sanctions":[{"name":"list"}],"false_positive":{"issuer":"i"}},
			{"match_id":"c"}],
		"screening_hits":[
			{"provider":{"hit_id":"d"},"flags":[{"type":"SANCTION"},{"type":"BRAND_NEW"}],"status":"MISMATCH"},
			{"status":"UNRESOLVED"}]}`)}
	out, err := check.ScreeningResults()
	require.NoError(t, err)
	var ids []string
	var got []passfort.ScreeningMatch
	for m := range out.Matches() {
		ids = append(ids, m.ID)
		got = append(got, m)
	}
	require.Equal(t, []string{"a", "b", "c", "d", ""}, ids)
	require.Equal(t, []passfort.ScreeningFlagType{"PEP", "ADVERSE_MEDIA"}, got[0].Flags)
	require.Equal(t, []passfort.ScreeningFlagType{"SANCTION"}, got[1].Flags)
	require.Equal(t, []passfort.ScreeningFlagType{"REFER"}, got[2].Flags)
	require.Equal(t, []passfort.ScreeningFlagType{"SANCTION", "BRAND_NEW"}, got[3].Flags)
	require.Equal(t, []bool{false, true, false, true, false},
		[]bool{got[0].Dismissed, got[1].Dismissed, got[2].Dismissed, got[3].Dismissed, got[4].Dismissed})
	require.Same(t, &out.SanctionsResults[0], got[0].Result)
	require.Same(t, &out.ScreeningHits[0], got[3].Hit)
	for range out.Matches() { // may be left early, in either list
		break
	}
	out.SanctionsResults = nil
	for range out.Matches() {
		break
	}
}

func TestEventType(t *testing.T) {
	t.Parallel()
	require.Empty(t, (&passfort.Event{}).Type())
	require.Equal(t, passfort.EventTypePEPFlag,
		(&passfort.Event{Data: &passfort.EventData{EventType: passfort.EventTypePEPFlag}}).Type())
}
