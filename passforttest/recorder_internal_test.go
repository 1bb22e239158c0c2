package passforttest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A body may be read after its request was dropped from the recorder.
func TestDroppedRequestsTakeNoSpace(t *testing.T) {
	t.Parallel()
	begin := func(rec *recorder) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/profiles", strings.NewReader("body"))
		rec.begin(r, "Profiles.Create", time.Time{}, 100, false)
		return r
	}
	for _, row := range []struct {
		name  string
		limit int
		drop  func(*Server)
		kept  int64
	}{
		{"kept", 2, func(*Server) {}, 4},
		{"pushed out", 1, func(s *Server) { begin(&s.recorder) }, 0},
		{"forgotten", 1, (*Server).ForgetRequests, 0},
		{"never kept", 0, func(*Server) {}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := new(Server)
			s.recorder.init(row.limit)
			r := begin(&s.recorder)
			row.drop(s)
			_, err := io.Copy(io.Discard, r.Body)
			require.NoError(t, err)
			require.NoError(t, r.Body.Close())
			require.Equal(t, row.kept, s.recorder.kept)
		})
	}
}
