package passfort_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

func ExampleFormsService_StartRegistration() {
	sim := passforttest.NewServer()
	defer sim.Close()
	client := sim.Client()

	// The second of two steps fails: the error says which profile to go on with.
	sim.Inject(passforttest.Fault{Operation: "Forms.CreateCustomerRequest", Status: http.StatusServiceUnavailable})
	params := &passfort.RegistrationParams{Role: passfort.RoleIndividualCustomer, FlowTemplate: "flow", Theme: "theme"}
	started, err := client.Forms.StartRegistration(context.Background(), params)
	if half, ok := errors.AsType[*passfort.RegistrationError](err); ok {
		params.ProfileID = half.ProfileID // store it
		started, err = client.Forms.StartRegistration(context.Background(), params)
	}
	if err != nil {
		panic(err)
	}
	fmt.Println("request made:", started.Request.ID != "", "key:", started.Request.APIKey)
	fmt.Println("profiles:", sim.Count("Profiles.Create"))
	// Output:
	// request made: true key: [redacted]
	// profiles: 1
}

func ExampleDynamicLoader() {
	page := passfort.DynamicLoader(func(r *http.Request) (passfort.LoaderCredentials, error) {
		session, err := r.Cookie("session")
		if err != nil {
			return passfort.LoaderCredentials{}, passfort.ErrNotSignedIn
		}
		// Look the request of this session up in your database.
		return passfort.LoaderCredentials{RequestID: "request-of-" + session.Value, APIKey: "key-of-" + passfort.Secret(session.Value)}, nil
	}, passfort.LoaderOptions{Title: "Your details"})

	visit := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/form", nil)
	visit.AddCookie(&http.Cookie{Name: "session", Value: "ada"})
	w := httptest.NewRecorder()
	page.ServeHTTP(w, visit)
	fmt.Println(w.Code, w.Header().Get("Cache-Control"))
	fmt.Println(strings.Contains(w.Body.String(), `PassFortCollect.init({request_id: "request-of-ada", apikey: "key-of-ada"});`))
	// Output:
	// 200 no-store, private
	// true
}

func ExampleRedactRequest() {
	logged := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			clean := passfort.RedactRequest(r)
			fmt.Println(clean.Method, clean.RequestURI)
		})
	}
	site := logged(passfort.StaticLoader(passfort.LoaderOptions{}))
	site.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/onboarding?request_id=1&apikey=secret", nil))
	// Output: GET /onboarding?redacted
}
