// Command plain asks who the key belongs to, with the standard library alone.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://api.passfort.com/4.0/whoami",
		http.NoBody)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	req.Header.Set("apikey", os.Getenv("PASSFORT_API_KEY"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var who struct {
		Institution struct{ Name string }
	}
	err = json.NewDecoder(resp.Body).Decode(&who)
	_ = resp.Body.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(who.Institution.Name)
}
