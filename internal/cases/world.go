package cases

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// World is what the calls are about: ids, and what else they have to know.
type World struct {
	Profile, Application, Rejected, Check, Task, Note, Event, OtherEvent string
	File, Image, OtherImage, Tag                                         string

	Asked   string // a profile with a customer request
	Address string // the id of what a search for addresses found
	ETag    string // of the collected data
}

// Wire is the world that Path and Body of the cases are about.
func Wire() World {
	return World{
		Profile: pid, Application: oid, Rejected: oid, Check: oid, Task: oid, Note: nid, Event: oid, OtherEvent: nid,
		File: oid, Image: oid, OtherImage: nid, Tag: oid, Asked: oid, Address: "GB|1", ETag: `W/"1.5"`,
	}
}

// Fill makes one of everything in an account, through c.
func Fill(t testing.TB, c *passfort.Client) World {
	t.Helper()
	ctx, w := t.Context(), World{}
	person := passfort.NewIndividual()
	person.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Kim"}, FamilyName: "Doe"},
	}
	made, err := c.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: person,
		Applications: []passfort.ApplicationRequest{
			{Product: passfort.ProductRef{Alias: "gold"}}, {Product: passfort.ProductRef{Alias: "silver"}},
		},
	})
	require.NoError(t, err)
	w.Profile, w.Application, w.Rejected = made.ID, made.Applications[0].ID, made.Applications[1].ID
	w.Task = made.Tasks[0].ID
	_, err = c.Applications.SetStatus(ctx, w.Profile, w.Rejected, passfort.ApplicationStatusRejected)
	require.NoError(t, err)
	note, err := c.Tasks.AddNote(ctx, w.Profile, w.Task, &passfort.NoteRequest{Text: "seen"})
	require.NoError(t, err)
	done := true
	check, err := c.Checks.Run(ctx, w.Profile, &passfort.CheckRequest{
		Type: passfort.CheckTypePEPsAndSanctionsScreen, InstructedExternally: &done, Result: "Pass",
	})
	require.NoError(t, err)
	var events [2]*passfort.Event
	for i := range events {
		events[i], err = c.Events.Create(ctx, w.Profile, &passfort.Event{
			Data: &passfort.EventData{EventType: passfort.EventTypeReviewNeeded},
		})
		require.NoError(t, err)
	}
	file, err := c.Files.Upload(ctx, w.Profile, &passfort.FileUpload{Name: "scan", Body: strings.NewReader(scan)})
	require.NoError(t, err)
	var images [2]*passfort.DocumentImage
	for i := range images {
		images[i], err = c.Documents.UploadImage(ctx, w.Profile, &passfort.ImageUpload{
			Type: passfort.ImageTypeFront, Body: strings.NewReader(scan),
		})
		require.NoError(t, err)
	}
	tag, err := c.Tags.Add(ctx, w.Profile, "vip")
	require.NoError(t, err)
	other, err := c.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: person,
	})
	require.NoError(t, err)
	_, err = c.Forms.CreateCustomerRequest(ctx, other.ID, &passfort.CustomerRequestParams{
		FlowTemplate: "onboarding", Theme: "brand",
	})
	require.NoError(t, err)
	found, err := c.Search.Addresses(ctx, &passfort.AddressSearchOptions{
		Address: "High Street, Leeds", CountryCode: "GBR",
	})
	require.NoError(t, err)
	data, err := c.CollectedData.Get(ctx, w.Profile)
	require.NoError(t, err)
	w.Note, w.Check, w.File, w.Tag = note.ID, check.ID, file.ID, tag.ID
	w.Event, w.OtherEvent, w.Image, w.OtherImage = events[0].ID, events[1].ID, images[0].ID, images[1].ID
	w.Asked, w.Address, w.ETag = other.ID, found.Results[0].ID, data.ETag
	return w
}
