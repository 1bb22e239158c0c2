package passfort_test

import (
	"encoding/json"
	"fmt"
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
