// Command fetch makes a few calls from WebAssembly, where net/http has nothing but
// the browser's fetch, and prints how they end. Its argument is a base URL.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/passfort-go/passfort"
)

func main() {
	for _, hc := range []*http.Client{nil, {}, {Transport: passfort.DefaultTransport()}} {
		var opts []passfort.Option
		if hc != nil {
			opts = append(opts, passfort.WithHTTPClient(hc))
		}
		calls(append(opts, passfort.WithBaseURL(os.Args[1]))...)
	}
}

func calls(opts ...passfort.Option) {
	client, err := passfort.New("key-for-tests", append(opts,
		passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}))...)
	if err != nil {
		fmt.Println("client:", err)
		return
	}
	ctx := context.Background()
	who, err := client.WhoAmI(ctx)
	if err != nil {
		fmt.Println("read:", err)
		return
	}
	fmt.Println("read:", who.Institution.Name)
	file, err := client.Files.Upload(ctx, "p1", &passfort.FileUpload{
		Name: "a", Body: strings.NewReader("%PDF-1.7 made up"),
	})
	if err != nil {
		fmt.Println("upload:", err)
		return
	}
	fmt.Println("upload:", file.ID)
	for _, r := range []passfort.Request{
		{Method: http.MethodGet, Path: "/redirect"}, {Method: http.MethodPost, Path: "/redirect"},
		{Method: http.MethodPost, Path: "/hang-up", Body: 1}, {Method: http.MethodPost, Path: "/refused", Body: 1},
	} {
		_, err = passfort.Do[any](ctx, client, r)
		var failed *passfort.Error
		if errors.As(err, &failed) {
			fmt.Println(r.Method, r.Path+":", failed.Outcome, failed.Attempts)
		}
	}
}
