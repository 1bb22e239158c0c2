package inbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
)

// A service that stores messages, handles each once, and looks at what failed.
func Example() {
	dir, err := os.MkdirTemp("", "inbox-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "service.db")+
		"?_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	box, err := inbox.New(db, inbox.SQLite, inbox.WithPrefix("kyc_inbox_"), inbox.WithTries(3),
		inbox.WithBackoff(time.Millisecond, time.Second))
	if err != nil {
		panic(err)
	}
	if _, err := box.Migrate(ctx); err != nil {
		panic(err)
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE decisions (profile_id TEXT PRIMARY KEY, event TEXT)`); err != nil {
		panic(err)
	}
	webhooks, err := box.WebhookHandler([]string{"example secret"})
	if err != nil {
		panic(err)
	}

	// Passfort delivers one message, twice.
	for range 2 {
		delivery := httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhooks", strings.NewReader(
			`{"id":"m1","event":"CHECK_COMPLETED","timestamp":1700000000,"data":{"profile_id":"p1"}}`))
		delivery.Header.Set("Authorization", "Bearer example secret")
		answer := httptest.NewRecorder()
		webhooks.ServeHTTP(answer, delivery)
		fmt.Println(answer.Code)
	}

	// In every process of the service:
	err = box.Run(ctx, func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
		defer cancel() // the example ends with its message
		_, err := tx.ExecContext(ctx, `INSERT INTO decisions VALUES (?, ?)`, m.Event.ProfileID, string(m.Event.Event))
		return err
	})
	if err != nil {
		panic(err)
	}

	ctx = context.Background()
	health, err := box.Health(ctx)
	if err != nil {
		panic(err)
	}
	parked, err := box.Parked(ctx, inbox.Selection{Event: passfort.EventCheckCompleted}, 0, 100)
	if err != nil {
		panic(err)
	}
	fmt.Println(health.Pending, len(parked))
	// Output:
	// 200
	// 200
	// 0 0
}
