package passfort_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/passfort-go/passfort"
)

func ExampleWebhookHandler() {
	h, err := passfort.NewWebhookHandler([]string{"the-secret-of-the-portal"})
	if err != nil {
		panic(err)
	}
	h.Handle(passfort.EventCheckCompleted, func(_ context.Context, e *passfort.WebhookEvent) error {
		c, err := e.CheckCompleted()
		if err != nil {
			return err
		}
		fmt.Println("check completed:", c.Check.Type, c.Check.Decision)
		return nil
	})
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		fmt.Println("from:", e.Origin())
		return nil
	})

	// Mount h on your server. This is what Passfort sends to it.
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/webhooks", strings.NewReader(`{
		"id": "5f0e7a10-0000-4000-8000-000000000003", "event": "CHECK_COMPLETED", "timestamp": 1700000120,
		"data": {"check": {"id": "ea560000-0000-4000-8000-000000000003", "check_type": "IDENTITY_CHECK", "decision": "PASS"}}}`))
	r.Header.Set("Authorization", "Bearer the-secret-of-the-portal")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// check completed: IDENTITY_CHECK PASS
	// from: system
	// 200
}
