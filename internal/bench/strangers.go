package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
)

// strangerLimit is how large a delivery without the header may be.
const strangerLimit = 1 << 20

// strangers are deliveries of the largest size without the header and without the
// secret, in the shapes that take longest to read.
func strangers() map[string]string {
	filled := func(begin, part, end string) string {
		return begin + strings.Repeat(part, (strangerLimit-len(begin)-len(end))/len(part)) + end
	}
	return map[string]string{
		"empty messages": filled(`[`, `{},`, `{}]`),
		"wrong secrets":  filled(`[`, `{"event":"X","secret":"wrong"},`, `{}]`),
		"one text":       filled(`{"event":"`, `x`, `"}`),
		"escapes":        filled(`{"event":"`, `\u0041`, `"}`),
		"members":        filled(`{`, `"a":1,`, `"b":1}`),
		"levels":         filled(`{"data":`, `[`, ``),
		"numbers":        filled(`{"data":[`, `0,`, `0]}`),
		"white space":    filled(``, ` `, `{}`),
	}
}

// measureStrangers delivers each of them over a connection of its own, and takes the
// time from its last byte to the first of the answer.
func measureStrangers(ctx context.Context, s scale) ([]figure, error) {
	h, err := passfort.NewWebhookHandler([]string{"s3cr3t"})
	if err != nil {
		return nil, err
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	var worst []float64
	for range s.rounds {
		slowest := time.Duration(0)
		for name, body := range strangers() {
			took, err := answeredAfter(ctx, srv.Listener.Addr().String(), body)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			slowest = max(slowest, took)
		}
		worst = append(worst, float64(slowest.Microseconds())/1000)
	}
	value := spreadOf(worst...)
	return []figure{{
		what:  "A stranger's delivery of 1 MiB, the slowest of eight shapes: from its last byte to the answer",
		value: value, unit: "ms", atMost: 100, seen: fmt.Sprintf("%.1f ms at most", value.max),
	}}, nil
}

func answeredAfter(ctx context.Context, address, body string) (time.Duration, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, err
	}
	head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: receiver.example\r\nContent-Length: %d\r\n\r\n", len(body))
	last := len(body) - 1
	// A receiver that has seen enough answers, and closes, before the end.
	_, _ = conn.Write([]byte(head + body[:last]))
	began := time.Now()
	_, _ = conn.Write([]byte(body[last:]))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusUnauthorized {
		return 0, fmt.Errorf("status %d", resp.StatusCode)
	}
	return took, resp.Body.Close()
}
