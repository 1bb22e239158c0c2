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
	"github.com/passfort-go/passfort/passforttest"
)

// bothGenerations is a company whose data names its people in the lists of
// 2019 and in the newer single list.
const bothGenerations = `{"entity_type":"COMPANY",
"authorized_persons":[{"entity_type":"INDIVIDUAL",
	"linked_profile":{"id":"P-1","collected_data":{"customer_ref":"one"}},"resolver_id":"R-1"}],
"unauthorized_persons":[{"entity_type":"INDIVIDUAL","resolver_id":"r-2"}],
"ownership_structure":{
	"shareholders":[{"entity_type":"COMPANY","merged_resolver_ids":["R-3"],
		"shareholdings":[{"percentage":20.5},{"amount":3},{"percentage":9.5}]}],
	"beneficial_owners":[{"entity_type":"INDIVIDUAL","total_percentage":60,
		"notified_on":"2019-01-01","ceased_on":"2020-01-01"}]},
"officers":{
	"directors":[{"entity_type":"INDIVIDUAL","immediate_data":{"customer_ref":"four"},
		"appointed_on":"2010-05-01","original_role":"Chair","resolver_id":"r-1"}],
	"secretaries":[{"entity_type":"INDIVIDUAL","resolver_id":"r-3"}],
	"partners":[{}],"trustees":[{}],"other":[{}],
	"resigned":[{"entity_type":"INDIVIDUAL"}]},
"associated_entities":[{"entity_type":"INDIVIDUAL","associate_id":"A-1","relationships":[
	{"associated_role":"GLOBAL_ULTIMATE_OWNER","total_percentage":12,"tenure":{"tenure_type":"FORMER"}},
	{"associated_role":"DIRECTOR","calculated_percentage":99},{"associated_role":"DIRECTOR"},{}]},
	{"associate_id":"a-1","relationships":[{"associated_role":"OTHER","tenure":{"tenure_type":"FORMER"}}]}]}`

func associatesOf(t *testing.T, raw string) (*passfort.EntityData, []passfort.Associate) {
	t.Helper()
	data := new(passfort.EntityData)
	require.NoError(t, json.Unmarshal([]byte(raw), data))
	var all []passfort.Associate
	for a := range data.Associates() {
		all = append(all, a)
	}
	return data, all
}

func TestAssociatesOfBothGenerations(t *testing.T) {
	t.Parallel()
	data, all := associatesOf(t, bothGenerations)
	require.Len(t, all, 12)
	for i, want := range []struct {
		roles   []passfort.AssociatedRole
		current bool
		share   float64
		known   bool
		profile string
	}{
		{[]passfort.AssociatedRole{"AUTHORIZED_PERSON"}, true, 0, false, "P-1"},
		{[]passfort.AssociatedRole{"UNAUTHORIZED_PERSON"}, false, 0, false, ""},
		{[]passfort.AssociatedRole{"DIRECTOR"}, true, 0, false, ""},
		{[]passfort.AssociatedRole{"COMPANY_SECRETARY"}, true, 0, false, ""},
		{[]passfort.AssociatedRole{"PARTNER"}, true, 0, false, ""},
		{[]passfort.AssociatedRole{"TRUSTEE"}, true, 0, false, ""},
		{[]passfort.AssociatedRole{"OTHER"}, true, 0, false, ""},
		{[]passfort.AssociatedRole{"RESIGNED_OFFICER"}, false, 0, false, ""},
		{[]passfort.AssociatedRole{"SHAREHOLDER"}, true, 30, true, ""},
		{[]passfort.AssociatedRole{"BENEFICIAL_OWNER"}, false, 60, true, ""},
		{[]passfort.AssociatedRole{"GLOBAL_ULTIMATE_OWNER", "DIRECTOR"}, true, 12, true, ""},
		{[]passfort.AssociatedRole{"OTHER"}, false, 0, false, ""},
	} {
		a := all[i]
		require.Equal(t, want.roles, a.Roles(), i)
		require.Equal(t, want.current, a.Current(), i)
		share, known := a.Percentage()
		require.InDelta(t, want.share, share, 1e-9, i)
		require.Equal(t, want.known, known, i)
		require.Equal(t, want.profile, a.ProfileID(), i)
	}
	require.Equal(t, "one", all[0].Data().CustomerRef, "what was read of the linked profile")
	require.Equal(t, "four", all[2].Data().CustomerRef)
	require.Nil(t, all[3].Data())
	require.Equal(t, "2010-05-01", all[2].Relationships[0].Tenure.Start)
	require.Equal(t, "Chair", all[2].Relationships[0].OriginalRole)
	require.Equal(t, passfort.Tenure{TenureType: "FORMER", Start: "2019-01-01", End: "2020-01-01"},
		*all[9].Relationships[0].Tenure)
	require.True(t, all[10].Has(passfort.AssociatedRoleDirector))
	require.False(t, all[10].Has(passfort.AssociatedRoleTrustee))

	require.True(t, all[0].Same(all[2]), "the resolver id, whatever its case")
	require.True(t, all[3].Same(all[8]), "a resolver id that was merged")
	require.True(t, all[10].Same(all[11]), "the associate id")
	require.True(t, all[4].Same(all[4]))
	require.False(t, all[4].Same(all[5]), "two of whom nothing is known")

	all[2].Entity.OriginalRole = "President"
	all[10].Entity.AssociateID = "A-2"
	require.Equal(t, "President", data.Officers.Directors[0].OriginalRole)
	require.Equal(t, "A-2", data.AssociatedEntities[0].AssociateID)
	all[10].Relationships[0].AssociatedRole = "changed"
	require.Equal(t, passfort.AssociatedRoleGlobalUltimateOwner,
		data.AssociatedEntities[0].Relationships[0].AssociatedRole)
}

func TestWalkingAssociatesChangesNothing(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{bothGenerations, `{"entity_type":"COMPANY"}`,
		`{"entity_type":"COMPANY","officers":null,"ownership_structure":{}}`} {
		data, _ := associatesOf(t, raw)
		for range data.Associates() {
			break
		}
		got, err := json.Marshal(data)
		require.NoError(t, err)
		require.JSONEq(t, raw, string(got))
	}
}

func TestLinkAssociate(t *testing.T) {
	t.Parallel()
	for role, list := range map[passfort.AssociatedRole]string{
		"AUTHORIZED_PERSON":   `{"authorized_persons":[%s]}`,
		"UNAUTHORIZED_PERSON": `{"unauthorized_persons":[%s]}`,
		"DIRECTOR":            `{"officers":{"directors":[%s]}}`,
		"COMPANY_SECRETARY":   `{"officers":{"secretaries":[%s]}}`,
		"PARTNER":             `{"officers":{"partners":[%s]}}`,
		"TRUSTEE":             `{"officers":{"trustees":[%s]}}`,
		"OTHER":               `{"officers":{"other":[%s]}}`,
		"RESIGNED_OFFICER":    `{"officers":{"resigned":[%s]}}`,
		"SHAREHOLDER":         `{"ownership_structure":{"shareholders":[%s]}}`,
		"BENEFICIAL_OWNER":    `{"ownership_structure":{"beneficial_owners":[%s]}}`,
	} {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			var data passfort.EntityData
			link := passfort.AssociateLink{
				ProfileID: pid, EntityType: passfort.EntityTypeIndividual, Role: role, TaskVariantIDs: []string{"v1"},
			}
			entity, err := data.LinkAssociate(link)
			require.NoError(t, err)
			got, err := json.Marshal(&data)
			require.NoError(t, err)
			want := fmt.Sprintf(list, `{"entity_type":"INDIVIDUAL","linked_profile":{"id":"`+pid+
				`"},"task_variant_ids":["v1"]}`)
			require.JSONEq(t, want, string(got))

			again, err := data.LinkAssociate(link)
			require.NoError(t, err)
			require.Same(t, entity, again)
			got, err = json.Marshal(&data)
			require.NoError(t, err)
			require.JSONEq(t, want, string(got), "linked already")

			link.TaskVariantIDs = []string{"V1", "v2", "v2"}
			_, err = data.LinkAssociate(link)
			require.NoError(t, err)
			require.Equal(t, []string{"v1", "v2"}, entity.TaskVariantIDs)
		})
	}
}

func TestLinkAssociateKnowsTheNewerGeneration(t *testing.T) {
	t.Parallel()
	raw := `{"entity_type":"COMPANY","associated_entities":[{"linked_profile":{"id":"` + pid + `"},
		"relationships":[{"associated_role":"CONTROLLING_SHAREHOLDER"}]}]}`
	data, _ := associatesOf(t, raw)
	link := passfort.AssociateLink{
		ProfileID: pid, EntityType: "INDIVIDUAL", Role: passfort.AssociatedRoleControllingShareholder,
	}
	entity, err := data.LinkAssociate(link)
	require.NoError(t, err)
	require.Same(t, &data.AssociatedEntities[0], entity)
	got, err := json.Marshal(data)
	require.NoError(t, err)
	require.JSONEq(t, raw, string(got))
}

func TestLinkAssociateRefuses(t *testing.T) {
	t.Parallel()
	right := passfort.AssociateLink{ProfileID: pid, EntityType: "INDIVIDUAL", Role: "DIRECTOR"}
	for _, row := range []struct {
		name string
		data *passfort.EntityData
		edit func(*passfort.AssociateLink)
		want string
	}{
		{"a person", passfort.NewIndividual(), func(*passfort.AssociateLink) {}, "only a company"},
		{"no profile", passfort.NewCompany(), func(l *passfort.AssociateLink) { l.ProfileID = "" }, "profile is empty"},
		{"no entity type", passfort.NewCompany(), func(l *passfort.AssociateLink) { l.EntityType = "" }, "entity type"},
		{"no role", passfort.NewCompany(), func(l *passfort.AssociateLink) { l.Role = "" }, "no list"},
		{"a role without a list", passfort.NewCompany(), func(l *passfort.AssociateLink) {
			l.Role = "GLOBAL_ULTIMATE_OWNER"
		}, "no list"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			link := right
			row.edit(&link)
			before, err := json.Marshal(row.data)
			require.NoError(t, err)
			entity, err := row.data.LinkAssociate(link)
			require.Nil(t, entity)
			require.ErrorIs(t, err, passfort.ErrInvalidInput)
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), pid)
			after, err := json.Marshal(row.data)
			require.NoError(t, err)
			require.Equal(t, string(before), string(after))
		})
	}
}

func TestLinkingTwiceWritesOnce(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer()
	t.Cleanup(srv.Close)
	client := srv.Client()
	company, err := client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleCompanyCustomer, CollectedData: passfort.NewCompany(),
	})
	require.NoError(t, err)
	director, err := client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualAssociated, CollectedData: passfort.NewIndividual(),
	})
	require.NoError(t, err)
	link := func(data *passfort.EntityData) error {
		entity, err := data.LinkAssociate(passfort.AssociateLink{
			ProfileID: director.ID, EntityType: passfort.EntityTypeIndividual, Role: passfort.AssociatedRoleDirector,
		})
		if err != nil {
			return err
		}
		entity.AppointedOn = "2024-02-01"
		return nil
	}
	for range 3 {
		data, err := client.CollectedData.Update(t.Context(), company.ID, link)
		require.NoError(t, err)
		require.Len(t, data.Officers.Directors, 1)
	}
	writes := 0
	for _, r := range srv.Requests() {
		if r.Operation == "CollectedData.Replace" {
			writes++
		}
	}
	require.Equal(t, 1, writes)
}

func TestContactAndIndustriesOfBothGenerations(t *testing.T) {
	t.Parallel()
	older := &passfort.CompanyContactDetails{Email: "older@example.com"}
	newer := &passfort.CompanyContactDetails{Email: "newer@example.com"}
	sic := []passfort.SICCode{{Code: "62012", Description: "Software"}}
	nace := []passfort.IndustryClassification{{ClassificationType: "NACE", Code: "62.01"}}
	require.Nil(t, (*passfort.CompanyMetadata)(nil).Contact())
	require.Empty(t, (*passfort.CompanyMetadata)(nil).Industries())
	require.Nil(t, (&passfort.CompanyMetadata{}).Contact())
	require.Empty(t, (&passfort.CompanyMetadata{}).Industries())
	require.Same(t, older, (&passfort.CompanyMetadata{ContactDetails: older, ContactInformation: newer}).Contact())
	require.Same(t, newer, (&passfort.CompanyMetadata{ContactInformation: newer}).Contact())
	require.Equal(t, []passfort.IndustryClassification{
		{ClassificationType: "SIC", Code: "62012", Description: "Software"},
	},
		(&passfort.CompanyMetadata{SICCodes: sic}).Industries())
	both := &passfort.CompanyMetadata{SICCodes: sic, IndustryClassifications: nace}
	require.Equal(t, nace, both.Industries())
	both.Industries()[0].Code = "changed"
	require.Equal(t, "62.01", nace[0].Code)
}

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
