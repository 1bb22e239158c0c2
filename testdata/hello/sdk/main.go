// Command sdk asks who the key belongs to, with the SDK. Its size is compared
// with that of ../plain.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/passfort-go/passfort"
)

func main() {
	client, err := passfort.New(os.Getenv("PASSFORT_API_KEY"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	who, err := client.WhoAmI(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(who.Institution.Name)
}
