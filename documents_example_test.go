package passfort_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// scan returns a picture in place of a scan.
func scan() *bytes.Reader {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 32, 20))); err != nil {
		panic(err)
	}
	return bytes.NewReader(b.Bytes())
}

// exampleProfile makes a profile to add to.
func exampleProfile(ctx context.Context, client *passfort.Client) string {
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	if err != nil {
		panic(err)
	}
	return profile.ID
}

// Upload a form, and read it back if the account may.
func ExampleFilesService() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	profileID := exampleProfile(ctx, client)

	file, err := client.Files.Upload(ctx, profileID, &passfort.FileUpload{Name: "Declaration", Body: scan()})
	if errors.Is(err, passfort.ErrImageType) || errors.Is(err, passfort.ErrImageTooLarge) {
		fmt.Println("ask the customer for another scan")
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err = client.Files.Download(ctx, profileID, file.ID, io.Discard)
	if errors.Is(err, passfort.ErrContentUnavailable) {
		fmt.Printf("%q is stored, and Passfort keeps its content\n", file.Name)
	}
	// Output: "Declaration" is stored, and Passfort keeps its content
}

// Submit uploads the sides of a document and creates it, ready to be checked.
func ExampleDocumentsService_Submit() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	profileID := exampleProfile(ctx, client)

	document, err := client.Documents.Submit(ctx, profileID, &passfort.DocumentSubmission{
		Category: passfort.DocumentCategoryProofOfIdentity,
		Type:     passfort.DocumentTypeDrivingLicence,
		Images: []passfort.ImageUpload{
			{Type: passfort.ImageTypeFront, Body: scan()},
			{Type: passfort.ImageTypeBack, Body: scan()},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	check, err := client.Checks.RunAndWait(ctx, profileID, &passfort.CheckRequest{
		Type: passfort.CheckTypeDocumentVerification, DocumentID: document.ID,
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(document.Images), "images:", check.State)
	// Output: 2 images: COMPLETE
}

// After half a submission the second try uploads only what is missing.
func ExampleSubmitError() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	profileID := exampleProfile(ctx, client)
	srv.Inject(passforttest.Fault{Operation: "Documents.Create", Status: 400})

	submission := &passfort.DocumentSubmission{
		Category: passfort.DocumentCategoryProofOfIdentity,
		Type:     passfort.DocumentTypePassport,
		Images:   []passfort.ImageUpload{{Body: scan()}, {Body: scan()}},
	}
	_, err := client.Documents.Submit(ctx, profileID, submission)
	var half *passfort.SubmitError
	if errors.As(err, &half) {
		for _, stored := range half.Stored {
			submission.Images[stored.Index].ID = stored.ID
		}
		_, err = client.Documents.Submit(ctx, profileID, submission)
	}
	fmt.Println(err, srv.Count("Documents.UploadImage"))
	// Output: <nil> 2
}

// An upload streams from the file; nothing of it is held in memory.
func ExampleDocumentsService_UploadImage() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	profileID := exampleProfile(ctx, client)

	file, err := os.Open("testdata/front.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = file.Close() }()
	stored, err := client.Documents.UploadImage(ctx, profileID, &passfort.ImageUpload{
		Type: passfort.ImageTypeFront,
		Body: file,
		Progress: func(sent, total int64) {
			if sent == total {
				fmt.Println("all of it is sent")
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stored.Type)
	// Output:
	// all of it is sent
	// FRONT
}
