package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every case runs, small, and its figures can be put on paper.
func TestEveryCase(t *testing.T) {
	t.Parallel()
	r := report{machine: "a machine", when: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			figures, err := c.measure(t.Context(), smoke)
			require.NoError(t, err)
			require.NotEmpty(t, figures)
			for _, f := range figures {
				require.NotEmpty(t, f.what)
				require.Equal(t, f.ratio(), f.against != "", f.what)
				if f.ratio() {
					require.Positive(t, f.value.median, f.what)
				}
			}
			r.figures = append(r.figures, figures...)
		})
	}

	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "docs"), 0o750))
	require.NoError(t, writeReport(root, r))
	for name, holds := range map[string]string{
		"docs/figures.md":  "a machine, 2 January 2026.",
		"docs/figures.svg": "</svg>",
		"docs/growth.svg":  "</svg>",
	} {
		data, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.Contains(t, string(data), holds, name)
	}
}

// The committed figures have every case.
func TestFiguresAreOfTheseCases(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/figures.md")
	require.NoError(t, err)
	for _, c := range cases {
		require.Contains(t, string(page), "`go run -C internal/bench . -run "+c.name+"`")
	}
}

func TestWriteNeedsAll(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), []string{"-run", "^$", "-write"}, &out), "leave -run away")
	require.Error(t, run(t.Context(), []string{"-run", "("}, &out))
}

func TestSpread(t *testing.T) {
	t.Parallel()
	require.Equal(t, spread{median: 2, min: 1, max: 9, n: 3}, spreadOf(9, 1, 2))
	require.Equal(t, spread{median: 2.5, min: 1, max: 9, n: 4}, spreadOf(9, 1, 2, 3))
	require.Equal(t, "2.00 (1.00 to 9.00)", spreadOf(9, 1, 2).String())
	require.Equal(t, "42.0", spreadOf(42).String())
}

func TestFigureTellsABrokenPromise(t *testing.T) {
	t.Parallel()
	kept := figure{what: "a", against: "b", value: spreadOf(1.0), atMost: 1.1}
	broken := figure{what: "a", against: "b", value: spreadOf(1.2), atMost: 1.1}
	require.NotContains(t, kept.String(), "NOT KEPT")
	require.Contains(t, broken.String(), "NOT KEPT")
}

// A promise has to be missed in three runs of three, by more than its noise.
func TestGate(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		ratios []float64 // of each run, which is within a tenth of it
		runs   int
		fails  bool
	}{
		{"kept", []float64{1}, 1, false},
		{"missed once", []float64{2, 1}, 2, false},
		{"missed twice", []float64{2, 2, 1}, 3, false},
		{"missed each time", []float64{2, 2, 2}, 3, true},
		{"missed by no more than the noise", []float64{1.3}, 1, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			runs := 0
			c := benchCase{"a", func(context.Context, scale) ([]figure, error) {
				runs++
				ratio := row.ratios[runs-1]
				return []figure{
					{what: "a", against: "b", value: spreadOf(ratio-0.1, ratio, ratio+0.1), atMost: 1.1},
					{what: "a", against: "c", value: spreadOf(9)},
				}, nil
			}}
			err := c.gate(t.Context(), smoke, io.Discard)
			require.Equal(t, row.fails, err != nil, "%v", err)
			require.Equal(t, row.runs, runs)
		})
	}
}
