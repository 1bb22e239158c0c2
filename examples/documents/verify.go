package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/passfort-go/passfort"
)

// Copy from here: the steps, each of them a function from a client to a result. They
// print nothing and keep nothing.

// newProfile creates the profile of a person.
func newProfile(ctx context.Context, client *passfort.Client) (string, error) {
	person := passfort.NewIndividual()
	person.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Robin"}, FamilyName: "Sampleton"},
		DOB:  "1990-04-12",
	}
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: person,
	})
	if err != nil {
		return "", err
	}
	return profile.ID, nil
}

// submit uploads the images and creates the document. If something fails
// half-way and it is known what, it goes on from there once.
func submit(
	ctx context.Context, client *passfort.Client, profileID string, submission *passfort.DocumentSubmission,
) (*passfort.Document, error) {
	document, err := client.Documents.Submit(ctx, profileID, submission)
	var half *passfort.SubmitError
	var failed *passfort.Error
	if !errors.As(err, &half) || errors.Is(err, passfort.ErrOutcomeUnknown) || !errors.As(err, &failed) ||
		!failed.Transient() {
		return document, err
	}
	for _, stored := range half.Stored {
		submission.Images[stored.Index].ID = stored.ID
	}
	return client.Documents.Submit(ctx, profileID, submission)
}

// runCheck verifies the document and waits for the result as long as patience lasts.
// An empty variant is the account's default.
func runCheck(
	ctx context.Context, client *passfort.Client, profileID, documentID, variant string, patience time.Duration,
) (*passfort.Check, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req := &passfort.CheckRequest{Type: passfort.CheckTypeDocumentVerification, DocumentID: documentID}
	if variant != "" {
		req.Variant = &passfort.VariantRef{Alias: variant}
	}
	return client.Checks.RunAndWait(ctx, profileID, req, nil)
}

// Copy to here.

// verify is the whole story: images, document, check.
func verify(ctx context.Context, cfg config, stdin io.Reader, stdout io.Writer, getenv func(string) string) error {
	files, err := folder(cfg.dir)
	if err != nil {
		return err
	}
	images, err := find(files)
	if err != nil {
		return err
	}
	client, live, closing, err := connect(getenv)
	if err != nil {
		return err
	}
	defer closing()
	if live {
		if err := confirm(ctx, cfg, stdin, stdout); err != nil {
			return err
		}
	}
	if cfg.profile == "" {
		if cfg.profile, err = newProfile(ctx, client); err != nil {
			return err
		}
	}
	progress := newProgress(stdout, images)
	document, err := submit(ctx, client, cfg.profile, submission(cfg, images, progress))
	progress.end()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "Document of %d images created.\n", len(document.Images))
	check, err := runCheck(ctx, client, cfg.profile, document.ID, cfg.variant, cfg.patience)
	if err != nil {
		return err
	}
	report(stdout, check)
	return nil
}

// submission describes the document; each image reports its progress.
func submission(cfg config, images pictures, progress progress) *passfort.DocumentSubmission {
	submission := &passfort.DocumentSubmission{Category: cfg.category, Type: cfg.kind}
	for i, image := range images {
		submission.Images = append(submission.Images, passfort.ImageUpload{
			Type: image.side, Open: image.open, Size: image.size,
			Progress: func(sent, _ int64) { progress.sent(i, sent) },
		})
	}
	return submission
}

func report(stdout io.Writer, check *passfort.Check) {
	_, _ = fmt.Fprintf(stdout, "Document verification: %s, %s\n", check.State, check.Decision)
	for _, detail := range check.Errors {
		_, _ = fmt.Fprintln(stdout, "  the provider had a problem:", detail)
	}
}
