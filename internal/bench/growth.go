package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/passfort-go/passfort/internal/growth"
)

// few is the number of elements with which more of them are compared.
const few = 1000

const growthOf = "Growth, "

// measureGrowth counts what operations on ever more elements allocate.
func measureGrowth(ctx context.Context, s scale) ([]figure, error) {
	var figures []figure
	for _, c := range growth.Cases() {
		if _, err := growth.Of(c, 1); err != nil { // what is made once
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		f := figure{what: growthOf + c.Name, unit: "times the allocations per element at 1,000"}
		var base, last growth.Cost
		for n := 10; n <= s.elements; n *= 10 {
			cost, err := growth.Of(c, n)
			if err := cmp.Or(err, ctx.Err()); err != nil {
				return nil, fmt.Errorf("%s, %d elements: %w", c.Name, n, err)
			}
			if n == few {
				base = cost
			}
			f.curve = append(f.curve, plotter.XY{X: float64(n), Y: max(cost.Allocations, 1)})
			last = cost
		}
		more := float64(s.elements) / few
		f.value = spreadOf(last.Allocations / more / max(base.Allocations, 1))
		f.atMost = growth.Most(few, growth.Cost{Allocations: 1000}, s.elements).Allocations / more / 1000
		f.seen = fmt.Sprintf("%.0f allocations and %.1f MB with %d elements", last.Allocations, last.Bytes/1e6,
			s.elements)
		figures = append(figures, f)
	}
	return figures, nil
}

// shades are colours that differ on white for everyone: most are those of Okabe and Ito.
var shades = []color.RGBA{
	{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xd5, 0x5e, 0x00, 0xff},
	{0x00, 0x72, 0xb2, 0xff}, {0xcc, 0x79, 0xa7, 0xff}, {0x00, 0x00, 0x00, 0xff}, {0x66, 0x66, 0x66, 0xff},
	{0x8c, 0x56, 0x4b, 0xff}, {0x5e, 0x3c, 0x99, 0xff},
}

// growthChart draws the curves between a line of n log n and one of n², both axes by
// powers of ten.
func (r report) growthChart() ([]byte, error) {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text = "Allocations by the number of elements"
	p.X.Label.Text, p.Y.Label.Text = "elements", "allocations"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Add(plotter.NewGrid())
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, vg.Points(3)
	i, most := 0, 10.0
	for _, f := range r.figures {
		if len(f.curve) == 0 {
			continue
		}
		most = max(most, f.curve[len(f.curve)-1].X)
		line, points, err := plotter.NewLinePoints(f.curve)
		if err != nil {
			return nil, err
		}
		line.Width, line.Color = vg.Points(1.5), shades[i%len(shades)]
		points.Color, points.Shape, points.Radius = line.Color, plotutil.Shape(i), vg.Points(3)
		p.Add(line, points)
		p.Legend.Add(strings.TrimPrefix(f.what, growthOf), line, points)
		i++
	}
	for _, bound := range []struct {
		name string
		of   func(n float64) float64
		end  float64
		dash vg.Length
	}{
		{"n log n", func(n float64) float64 { return n * math.Log2(n) }, most, vg.Points(9)},
		{"n²", func(n float64) float64 { return n * n }, min(most, 10_000), vg.Points(3)},
	} {
		var curve plotter.XYs
		for n := 10.0; n <= bound.end; n *= 10 {
			curve = append(curve, plotter.XY{X: n, Y: bound.of(n)})
		}
		line, err := plotter.NewLine(curve)
		if err != nil {
			return nil, err
		}
		line.LineStyle = draw.LineStyle{
			Color: color.RGBA{R: 0xb0, G: 0x30, B: 0x30, A: 0xff}, Width: vg.Points(1.2),
			Dashes: []vg.Length{bound.dash, vg.Points(3)},
		}
		p.Add(line)
		p.Legend.Add(bound.name, line)
	}
	canvas := vgsvg.New(vg.Points(960), vg.Points(640))
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Path())
	p.Draw(draw.Crop(whole, vg.Points(8), -vg.Points(32), vg.Points(8), -vg.Points(8)))
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	return b.Bytes(), err
}
