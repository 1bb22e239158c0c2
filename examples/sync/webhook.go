package main

import (
	"context"
	"log/slog"

	"github.com/passfort-go/passfort"
)

// newWebhookHandler returns the endpoint: it stores a message and nothing else,
// so it answers quickly, and 200 means that the message is in the database.
func newWebhookHandler(st *store, secrets []string, log *slog.Logger, wake func()) (*passfort.WebhookHandler, error) {
	h, err := passfort.NewWebhookHandler(secrets, passfort.WithWebhookStore(webhookStore{st}),
		passfort.WithWebhookLogger(log))
	if err != nil {
		return nil, err
	}
	receive := func(ctx context.Context, e *passfort.WebhookEvent) error {
		m, ok := messageOf(e)
		if !ok {
			return nil
		}
		defer wake()
		return st.tx(ctx, func(t *tx) error { return t.receive(m) })
	}
	h.Handle(passfort.EventCollectedDataChanged, receive)
	h.Handle(passfort.EventCollectedDataUpdated, receive)
	return h, nil
}

// messageOf returns what the inbox keeps of a message about collected data. It
// is not ok for one that cannot be about a person.
func messageOf(e *passfort.WebhookEvent) (m message, ok bool) {
	m = message{id: e.Key(), profileID: e.ProfileID, byUser: e.Origin() == passfort.OriginUser, apiKey: e.APIKeyName}
	c, err := e.CollectedDataChange()
	if err != nil || c.New == nil {
		return m, m.profileID != "" // an unexpected payload still says that there is something to read
	}
	m.fingerprint = valuesOf(c.New).fingerprint()
	if c.Old != nil {
		m.changes = valuesOf(c.Old).changes(valuesOf(c.New))
	}
	return m, m.profileID != "" && c.New.EntityType == passfort.EntityTypeIndividual
}
