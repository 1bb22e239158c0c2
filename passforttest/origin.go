package passforttest

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

//go:embed web
var web embed.FS

// Visit is one request the collection origin received.
type Visit struct {
	Method   string
	Path     string
	RawQuery string
	Header   http.Header
	Time     time.Time
}

type visitLog struct {
	mu     sync.Mutex
	visits []Visit
	kept   int
}

// visitsKept is how many visits are remembered, and visitBudget how many bytes of
// them.
const (
	visitsKept  = 10_000
	visitBudget = 8 << 20
)

type originServer struct {
	url string
	srv *http.Server
}

// CollectionURL returns the base URL of a stand-in for the origin that serves
// embed.js and the hosted forms. The first call makes it listen on a loopback
// port of its own. It panics if no port is available.
func (s *Server) CollectionURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.origin == nil {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			panic("passforttest: no loopback port: " + err.Error())
		}
		s.origin = &originServer{
			url: "http://" + l.Addr().String(),
			srv: &http.Server{
				Handler: s.CollectionHandler(), ReadHeaderTimeout: time.Minute, MaxHeaderBytes: headerLimit,
				ErrorLog: log.New(io.Discard, "", 0),
			},
		}
		srv := s.origin.srv
		if !s.start(func() { _ = srv.Serve(l) }) {
			_ = l.Close()
		}
	}
	return s.origin.url
}

// CollectionHandler returns the stand-in collection origin as a handler: the
// script /embed.js, which defines PassFortCollect.init and initFromUrl, and the
// form it puts into a frame. It must be mounted at the root of its origin.
func (s *Server) CollectionHandler() http.Handler {
	mux := http.NewServeMux()
	asset := func(path, file, media string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			content, err := web.ReadFile("web/" + file)
			if err != nil {
				http.Error(w, "not found", http.StatusNotFound)
				return
			}
			w.Header().Set("Content-Type", media)
			_, _ = w.Write(content)
		})
	}
	asset("/embed.js", "embed.js", "text/javascript; charset=utf-8")
	asset("/form", "form.html", "text/html; charset=utf-8")
	asset("/form.js", "form.js", "text/javascript; charset=utf-8")
	asset("/form.css", "form.css", "text/css; charset=utf-8")
	mux.HandleFunc("GET /api/request", s.openForms)
	mux.HandleFunc("POST /api/forms/{form_id}", s.submitForm)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.misdirected(r) {
			refuseMisdirected(w)
			return
		}
		hurry(w, r)
		s.visits.add(s.cfg.recordLimit, Visit{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Clone(), s.Now()})
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy",
			"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "+
				"form-action 'none'")
		mux.ServeHTTP(w, r)
	})
}

// add records a visit, unless the limit of the recorder is zero.
func (l *visitLog) add(recorded int, v Visit) {
	if recorded <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.visits = append(l.visits, v)
	l.kept += v.size()
	drop := max(0, len(l.visits)-2*visitsKept)
	if drop > 0 {
		drop = len(l.visits) - visitsKept
	}
	for i, kept := 0, l.kept; kept > visitBudget && i < len(l.visits); i++ {
		kept -= l.visits[i].size()
		drop = max(drop, i+1)
	}
	if drop == 0 {
		return
	}
	for _, old := range l.visits[:drop] {
		l.kept -= old.size()
	}
	l.visits = slices.Clone(l.visits[drop:])
}

func (v *Visit) size() int { return len(v.Path) + len(v.RawQuery) + headerSize(v.Header) }

// Visits returns what the collection origin received, oldest first: the newest
// 10,000 and at most 8 MiB. With WithRecorder(0, 0) there are none.
func (s *Server) Visits() []Visit {
	s.visits.mu.Lock()
	defer s.visits.mu.Unlock()
	return append([]Visit(nil), s.visits.visits...)
}

func (s *Server) openForms(w http.ResponseWriter, r *http.Request) {
	s.answerVisitor(w, r, func(*world, *profile, *formRequest) error { return nil })
}

func (s *Server) submitForm(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Values map[string]string `json:"values"`
	}
	unread := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body)
	s.answerVisitor(w, r, func(in *world, p *profile, req *formRequest) error {
		if unread != nil {
			return invalid("the answers cannot be read")
		}
		return in.submit(p, req, r.PathValue("form_id"), body.Values)
	})
}

// answerVisitor calls do with the customer request of a visitor. It answers once the
// state in the answer is kept.
func (s *Server) answerVisitor(
	w http.ResponseWriter, r *http.Request, do func(*world, *profile, *formRequest) error,
) {
	answer, err := s.world.visit(r.Header.Get("request-id"), r.Header.Get("apikey"), do)
	if s.world.kept() != nil {
		err = errNotKept()
	}
	var no *refusal
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, answer)
		return
	case !errors.As(err, &no):
		no = invalid("the answers cannot be stored")
	}
	writeJSON(w, no.kind.status(), envelope(Switches{}, no.err))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
