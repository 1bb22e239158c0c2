package passfort

import "net/http"

// Client talks to the Passfort API.
type Client struct{}

// Option configures a Client.
type Option func(*settings)

type settings struct {
	baseURL string
	http    *http.Client
}

// New returns a Client.
func New(apiKey string, opts ...Option) (*Client, error) { return &Client{}, nil }

// WithBaseURL sets the base URL.
func WithBaseURL(u string) Option { return func(s *settings) { s.baseURL = u } }

// WithHTTPClient sets the HTTP client.
func WithHTTPClient(hc *http.Client) Option { return func(s *settings) { s.http = hc } }
