package faultmatrix

import (
	"context"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// world is a simulator with one of everything, and how to get back to it.
type world struct {
	srv      *passforttest.Server
	snapshot []byte

	profile, open, rejected, task, note, check, event, file, image, tag string
	asked                                                               string // a profile with a customer request
	address                                                             string
}

// scan is an image as far as it is looked at.
const scan = "%PDF-1.7\n%%EOF\n"

// fill makes one of everything, through c.
func fill(t *testing.T, srv *passforttest.Server, c *passfort.Client) *world {
	t.Helper()
	w := &world{srv: srv}
	ctx := t.Context()
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
	w.profile, w.open, w.rejected = made.ID, made.Applications[0].ID, made.Applications[1].ID
	w.task = made.Tasks[0].ID
	_, err = c.Applications.SetStatus(ctx, w.profile, w.rejected, passfort.ApplicationStatusRejected)
	require.NoError(t, err)
	note, err := c.Tasks.AddNote(ctx, w.profile, w.task, &passfort.NoteRequest{Text: "seen"})
	require.NoError(t, err)
	done := true
	check, err := c.Checks.Run(ctx, w.profile, &passfort.CheckRequest{
		Type: passfort.CheckTypePEPsAndSanctionsScreen, InstructedExternally: &done, Result: "Pass",
	})
	require.NoError(t, err)
	event, err := c.Events.Create(ctx, w.profile, &passfort.Event{
		Data: &passfort.EventData{EventType: passfort.EventTypeReviewNeeded},
	})
	require.NoError(t, err)
	file, err := c.Files.Upload(ctx, w.profile, &passfort.FileUpload{Name: "scan", Body: strings.NewReader(scan)})
	require.NoError(t, err)
	image, err := c.Documents.UploadImage(ctx, w.profile, &passfort.ImageUpload{
		Type: passfort.ImageTypeFront, Body: strings.NewReader(scan),
	})
	require.NoError(t, err)
	tag, err := c.Tags.Add(ctx, w.profile, "vip")
	require.NoError(t, err)
	other, err := c.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: person,
	})
	require.NoError(t, err)
	_, err = c.Forms.CreateCustomerRequest(ctx, other.ID, flow)
	require.NoError(t, err)
	found, err := c.Search.Addresses(ctx, &passfort.AddressSearchOptions{
		Address: "High Street, Leeds", CountryCode: "GBR",
	})
	require.NoError(t, err)
	w.note, w.check, w.event, w.file, w.image, w.tag = note.ID, check.ID, event.ID, file.ID, image.ID, tag.ID
	w.asked, w.address = other.ID, found.Results[0].ID
	w.snapshot, err = srv.Snapshot()
	require.NoError(t, err)
	return w
}

var flow = &passfort.CustomerRequestParams{FlowTemplate: "onboarding", Theme: "brand"}

// operation is one operation of the API and a call of it.
type operation struct {
	name string
	call func(context.Context, *passfort.Client, *world) error
}

func failed[T any](_ T, err error) error { return err }

// operations are those of the reference, in its order. What takes nothing but the ids
// of its route is called with those of the world.
func operations() []operation {
	withInput := operationsWithInput()
	var all []operation
	for _, row := range reference() {
		at := slices.IndexFunc(withInput, func(op operation) bool { return op.name == row.name })
		if at >= 0 {
			all = append(all, withInput[at])
			continue
		}
		all = append(all, operation{row.name, row.call})
	}
	return all
}

// call calls the method of an operation with the ids of its route.
func (r referenceRow) call(ctx context.Context, c *passfort.Client, w *world) error {
	on := reflect.ValueOf(c)
	service, method, isOfService := strings.Cut(r.name, ".")
	if isOfService {
		on = on.Elem().FieldByName(service)
	} else {
		method = service
	}
	in := []reflect.Value{reflect.ValueOf(ctx)}
	for _, id := range placeholder.FindAllStringSubmatch(r.route, -1) {
		in = append(in, reflect.ValueOf(map[string]string{
			"profile_id": w.profile, "application_id": w.open, "check_id": w.check, "task_id": w.task,
			"note_id": w.note, "event_id": w.event, "file_id": w.file, "document_image_id": w.image,
			"tag_id": w.tag,
		}[id[1]]))
	}
	out := on.MethodByName(method).Call(in)
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

func operationsWithInput() []operation {
	type ctx = context.Context
	type client = *passfort.Client
	return []operation{
		{"Profiles.List", func(x ctx, c client, _ *world) error { return failed(c.Profiles.List(x, nil)) }},
		{"Profiles.Create", func(x ctx, c client, _ *world) error {
			return failed(c.Profiles.Create(x, &passfort.ProfileRequest{
				Role: passfort.RoleCompanyCustomer, CollectedData: passfort.NewCompany(),
			}))
		}},
		{"CollectedData.Replace", func(x ctx, c client, w *world) error {
			_, etag := w.srv.CollectedData(w.profile)
			data := passfort.NewIndividual()
			data.CustomerRef = "CR-1"
			return failed(c.CollectedData.Replace(x, w.profile, &passfort.CollectedData{EntityData: *data, ETag: etag}))
		}},
		{"Documents.Create", func(x ctx, c client, w *world) error {
			return failed(c.Documents.Create(x, w.profile, &passfort.DocumentRequest{
				Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypePassport,
				ImageIDs: []string{w.image},
			}))
		}},
		{"Profiles.SetStatus", func(x ctx, c client, w *world) error {
			return failed(c.Profiles.SetStatus(x, w.profile, passfort.ProfileStatusSuspended))
		}},
		{"Applications.Create", func(x ctx, c client, w *world) error {
			return failed(c.Applications.Create(x, w.profile, &passfort.ApplicationRequest{
				Product: passfort.ProductRef{Alias: "bronze"},
			}))
		}},
		{"Applications.SetStatus", func(x ctx, c client, w *world) error {
			return failed(c.Applications.SetStatus(x, w.profile, w.open, passfort.ApplicationStatusRejected))
		}},
		{"Applications.RevertDecision", func(x ctx, c client, w *world) error {
			return failed(c.Applications.RevertDecision(x, w.profile, w.rejected, "a slip"))
		}},
		{"Checks.Run", func(x ctx, c client, w *world) error {
			return failed(c.Checks.Run(x, w.profile, &passfort.CheckRequest{
				Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeAsync,
			}))
		}},
		{"Checks.SetTasks", func(x ctx, c client, w *world) error {
			return failed(c.Checks.SetTasks(x, w.profile, w.check, []string{w.task}))
		}},
		{"Tasks.Create", func(x ctx, c client, w *world) error {
			return failed(c.Tasks.Create(x, w.profile, &passfort.TaskRequest{
				Type: passfort.TaskTypeIndividualManualTask,
			}))
		}},
		{"Tasks.Update", func(x ctx, c client, w *world) error {
			return failed(c.Tasks.Complete(x, w.profile, w.task, passfort.TaskStateCompletedPass))
		}},
		{"Tasks.AddNote", func(x ctx, c client, w *world) error {
			return failed(c.Tasks.AddNote(x, w.profile, w.task, &passfort.NoteRequest{Text: "again"}))
		}},
		{"Events.Create", func(x ctx, c client, w *world) error {
			return failed(c.Events.Create(x, w.profile, &passfort.Event{
				Data: &passfort.EventData{EventType: passfort.EventTypeReviewNeeded},
			}))
		}},
		{"Events.Update", func(x ctx, c client, w *world) error {
			return failed(c.Events.Resolve(x, w.profile, w.event, passfort.EventResolutionMismatch, "another person"))
		}},
		{"Events.BulkUpdate", func(x ctx, c client, w *world) error {
			return failed(c.Events.BulkResolve(x, w.profile, []string{w.event}, passfort.EventResolutionIgnore, ""))
		}},
		{"Files.Upload", func(x ctx, c client, w *world) error {
			return failed(c.Files.Upload(x, w.profile, &passfort.FileUpload{
				Name: "more", Body: strings.NewReader(scan),
			}))
		}},
		{"Documents.UploadImage", func(x ctx, c client, w *world) error {
			return failed(c.Documents.UploadImage(x, w.profile, &passfort.ImageUpload{
				Type: passfort.ImageTypeBack, Body: strings.NewReader(scan),
			}))
		}},
		{"Tags.Add", func(x ctx, c client, w *world) error { return failed(c.Tags.Add(x, w.profile, "new")) }},
		{"Tags.Search", func(x ctx, c client, _ *world) error { return failed(c.Tags.Search(x, "vip", 0)) }},
		{"Audit.PDFReport", func(x ctx, c client, w *world) error {
			return failed(c.Audit.PDFReport(x, w.profile, io.Discard))
		}},
		{"Collect.SetSteps", func(x ctx, c client, w *world) error {
			return failed(c.Collect.SetSteps(x, w.profile, []passfort.CollectionStep{{CollectionType: "DOB"}}))
		}},
		{"Collect.CreateKey", func(x ctx, c client, w *world) error {
			return failed(c.Collect.CreateKey(x, []string{w.profile}))
		}},
		{"Search.Companies", func(x ctx, c client, _ *world) error {
			return failed(c.Search.Companies(x, &passfort.CompanySearchOptions{Country: "GBR", Query: "acme"}))
		}},
		{"Search.Addresses", func(x ctx, c client, _ *world) error {
			return failed(c.Search.Addresses(x, &passfort.AddressSearchOptions{
				Address: "1 High St", CountryCode: "GBR",
			}))
		}},
		{"Search.FormatAddress", func(x ctx, c client, w *world) error {
			return failed(c.Search.FormatAddress(x, w.address, "GBR"))
		}},
		{"Forms.CreateCustomerRequest", func(x ctx, c client, w *world) error {
			return failed(c.Forms.CreateCustomerRequest(x, w.profile, flow))
		}},
		{"Forms.CustomerRequest", func(x ctx, c client, w *world) error {
			return failed(c.Forms.CustomerRequest(x, w.asked))
		}},
		{"Profiles.Delete", func(x ctx, c client, w *world) error {
			return c.Profiles.Delete(x, w.profile, "asked to")
		}},
	}
}

// referenceRow is a row of docs/operations.md, which is written from the SDK's own
// table.
type referenceRow struct{ name, route, class string }

var (
	referenceLine = regexp.MustCompile("(?m)^\\| `([A-Za-z.]+)` \\| [A-Z]+ \\| `([^`]+)` \\| (\\w+) \\|")
	placeholder   = regexp.MustCompile(`\{(\w+)\}`)
)

func reference() []referenceRow {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		panic(err)
	}
	var rows []referenceRow
	for _, cells := range referenceLine.FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, referenceRow{cells[1], cells[2], cells[3]})
	}
	return rows
}

// classes returns the replay class of each operation.
func classes() map[string]string {
	out := map[string]string{}
	for _, row := range reference() {
		out[row.name] = row.class
	}
	return out
}

func TestEveryOperationIsThere(t *testing.T) {
	t.Parallel()
	var names []string
	for _, op := range operations() {
		names = append(names, op.name)
	}
	slices.Sort(names)
	require.Equal(t, passforttest.Operations(), names)
	for _, op := range operationsWithInput() {
		require.Contains(t, names, op.name)
	}
}
