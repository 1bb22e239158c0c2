package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/passfort-go/passfort"
)

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
	document, err := submit(ctx, client, cfg, images, newProgress(stdout, images))
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "Document of %d images created.\n", len(document.Images))
	check, err := runCheck(ctx, client, cfg, document)
	if err != nil {
		return err
	}
	report(stdout, check)
	return nil
}

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
	ctx context.Context, client *passfort.Client, cfg config, images pictures, progress progress,
) (*passfort.Document, error) {
	submission := &passfort.DocumentSubmission{Category: cfg.category, Type: cfg.kind}
	for i, image := range images {
		submission.Images = append(submission.Images, passfort.ImageUpload{
			Type: image.side, Open: image.open, Size: image.size,
			Progress: func(sent, _ int64) { progress.sent(i, sent) },
		})
	}
	defer progress.end()
	document, err := client.Documents.Submit(ctx, cfg.profile, submission)
	var half *passfort.SubmitError
	var failed *passfort.Error
	if !errors.As(err, &half) || errors.Is(err, passfort.ErrOutcomeUnknown) || !errors.As(err, &failed) ||
		!failed.Transient() {
		return document, err
	}
	for _, stored := range half.Stored {
		submission.Images[stored.Index].ID = stored.ID
	}
	return client.Documents.Submit(ctx, cfg.profile, submission)
}

func runCheck(
	ctx context.Context, client *passfort.Client, cfg config, document *passfort.Document,
) (*passfort.Check, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.patience)
	defer cancel()
	req := &passfort.CheckRequest{Type: passfort.CheckTypeDocumentVerification, DocumentID: document.ID}
	if cfg.variant != "" {
		req.Variant = &passfort.VariantRef{Alias: cfg.variant}
	}
	return client.Checks.RunAndWait(ctx, cfg.profile, req, nil)
}

func report(stdout io.Writer, check *passfort.Check) {
	_, _ = fmt.Fprintf(stdout, "Document verification: %s, %s\n", check.State, check.Decision)
	for _, detail := range check.Errors {
		_, _ = fmt.Fprintln(stdout, "  the provider had a problem:", detail)
	}
}
