package main

import (
	"bufio"
	"bytes"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// report is what -write puts into the docs.
type report struct {
	figures []figure
	machine string
	when    time.Time
}

// machine says where the figures come from.
func machine() string {
	processor := runtime.GOARCH
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if _, name, found := strings.Cut(lines.Text(), "model name\t: "); found {
				processor = name
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s, %s", processor, runtime.NumCPU(), runtime.GOOS, runtime.Version())
}

func writeReport(root string, r report) error {
	chart, err := r.chart()
	if err != nil {
		return err
	}
	curves, err := r.growthChart()
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		filepath.Join(root, "docs", "figures.md"):  r.page(),
		filepath.Join(root, "docs", "figures.svg"): chart,
		filepath.Join(root, "docs", "growth.svg"):  curves,
	} {
		if err := os.WriteFile(name, data, 0o644); err != nil { //nolint:gosec // documentation is public
			return err
		}
	}
	return nil
}

func (r report) page() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<!-- Written by "go run -C internal/bench . -write". -->

# Figures

%s, %s.

Each ratio is the SDK's time in proportion to its peer's: 1 is the same, less is
better. Both run in one process, in turn, against a server in the same process;
the figure is the median of %d rounds, with the smallest and
the largest. "Seen" has the median time of each side, from which the median of the
ratios does not follow. A peer called "by hand" is what one writes without the SDK. The
generated client is what oapi-codegen makes of
[openapi.yaml](../internal/bench/openapi.yaml). The SDK's own JSON keeps everything it
decodes. "json/v2" is github.com/go-json-experiment/json: its "embed" fields keep
unknown members, but null, empty and absent look the same.

![The ratios as bars](figures.svg)

## Ratios

| What | Beside | Ratio (smallest to largest) | Seen | Promised | Command |
| --- | --- | --- | --- | --- | --- |
`, r.machine, r.when.Format("2 January 2006"), full.rounds)
	for _, f := range r.figures {
		if f.ratio() {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | `%s` |\n", f.what, f.against, f.value, f.seen, f.promise(),
				f.command)
		}
	}
	b.WriteString("\n## Counts\n\n| What | Figure | Seen | Promised | Command |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range r.figures {
		if !f.ratio() {
			fmt.Fprintf(&b, "| %s | %s %s | %s | %s | `%s` |\n", f.what, f.value, f.unit, f.seen, f.promise(),
				f.command)
		}
	}
	b.WriteString(`
"Memory asked for" is everything that was allocated meanwhile, by the server too;
what is held at once is less, and has tests of its own: ` + "`TestUploadMemory`" + ` and
` + "`TestDownloadMemory`" + `.

Pages of a list are not read ahead by default. The last ratio shows what
` + "`ProfileListOptions.Ahead`" + ` gains. It costs up to five pages of memory, and requests
in vain when a loop ends early.
`)
	b.WriteString(growthText)
	for _, f := range r.figures {
		if !f.holds() {
			fmt.Fprintf(&b, "\nNot kept in this run: %s.\n", f)
		}
	}
	return b.Bytes()
}

const growthText = `
## Growth

What operations allocate with 10 to 100,000 elements, beside n log n and n². A curve
that is no steeper than n log n needs twice as much, and little more, for twice as many.
The same operations are held to it by ` + "`TestGrowth`" + `.

![The growth as curves](growth.svg)

## Other figures

Those of the simulator, with 100,000 profiles, are on [its page](simulator.md#figures).
The inbox beside River, batches on a cluster, and the help of a second process are rows
of [the proofs](proofs.md).
`

// chart draws the ratios as bars, with the smallest and the largest as a line.
func (r report) chart() ([]byte, error) {
	var bars plotter.Values
	spreads := struct {
		plotter.XYs
		plotter.XErrors
	}{}
	var names []string
	for _, f := range slices.Backward(r.figures) {
		if !f.ratio() {
			continue
		}
		y := float64(len(bars))
		bars = append(bars, f.value.median)
		spreads.XYs = append(spreads.XYs, plotter.XY{X: f.value.median, Y: y})
		spreads.XErrors = append(spreads.XErrors, struct{ Low, High float64 }{f.value.median - f.value.min,
			f.value.max - f.value.median})
		names = append(names, plainText(f.what)+"\nvs "+plainText(f.against))
	}
	p := plot.New()
	p.Title.Text = "Time of the SDK beside its peers: 1 is the same, less is better"
	p.X.Min, p.X.Max = 0, 1.5
	p.X.Tick.Marker = plot.TickerFunc(func(_, most float64) []plot.Tick {
		var ticks []plot.Tick
		for at := 0.0; at <= most; at += 0.5 {
			ticks = append(ticks, plot.Tick{Value: at, Label: fmt.Sprint(at)})
		}
		return ticks
	})
	p.X.Label.Text = "ratio of times, median of the rounds"
	chart, err := plotter.NewBarChart(bars, vg.Points(11))
	if err != nil {
		return nil, err
	}
	chart.Horizontal = true
	chart.LineStyle.Width = 0
	chart.Color = color.RGBA{R: 0x2f, G: 0x6f, B: 0x8f, A: 0xff}
	whiskers, err := plotter.NewXErrorBars(spreads)
	if err != nil {
		return nil, err
	}
	same, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(len(bars)) - 0.5}})
	if err != nil {
		return nil, err
	}
	same.LineStyle = draw.LineStyle{
		Color: color.RGBA{R: 0xb0, G: 0x30, B: 0x30, A: 0xff}, Width: vg.Points(1),
		Dashes: []vg.Length{vg.Points(4), vg.Points(3)},
	}
	p.Add(plotter.NewGrid(), chart, whiskers, same)
	p.NominalY(names...)
	canvas := vgsvg.New(vg.Points(960), vg.Points(90+34*float64(len(bars))))
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	_, err = canvas.WriteTo(&b)
	return b.Bytes(), err
}

func plainText(s string) string { return strings.ReplaceAll(s, "`", "") }
