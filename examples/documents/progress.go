package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how much of each image was sent. Several are sent at once.
type progress interface {
	sent(image int, bytes int64)
	end()
}

// newProgress returns a bar for a terminal, else a line for each image.
func newProgress(stdout io.Writer, images pictures) progress {
	if file, is := stdout.(*os.File); is && term.IsTerminal(int(file.Fd())) {
		return newBar(stdout, images)
	}
	return &lines{out: stdout, images: images, said: make([]bool, len(images))}
}

// bar is one progress bar for all images.
type bar struct {
	out  io.Writer
	mu   sync.Mutex
	of   []int64
	view *progressbar.ProgressBar
}

func newBar(out io.Writer, images pictures) *bar {
	return &bar{out: out, of: make([]int64, len(images)), view: progressbar.NewOptions64(images.size(),
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetDescription(fmt.Sprintf("Uploading %d images", len(images))),
		progressbar.OptionShowBytes(true),
		progressbar.OptionFullWidth(),
	)}
}

func (b *bar) sent(image int, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of[image] = bytes // an upload that is repeated starts over
	var total int64
	for _, n := range b.of {
		total += n
	}
	_ = b.view.Set64(total) // a terminal that is gone stops nothing
}

func (b *bar) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.view.Exit()
	_, _ = fmt.Fprintln(b.out)
}

// lines reports each image once it is sent.
type lines struct {
	mu     sync.Mutex
	out    io.Writer
	images pictures
	said   []bool
}

func (l *lines) sent(image int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes == l.images[image].size && !l.said[image] {
		l.said[image] = true
		_, _ = fmt.Fprintf(l.out, "Sent %s: %s, %d bytes\n", l.images[image].side, l.images[image].name, bytes)
	}
}

func (l *lines) end() {}
