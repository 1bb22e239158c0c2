package imagebody_test

import (
	"testing"

	"github.com/passfort-go/passfort/internal/imagebody"
	"github.com/stretchr/testify/require"
)

func TestSniff(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		head string
		want imagebody.Type
	}{
		"gif 87":                    {"GIF87a\x01", imagebody.GIF},
		"gif 89":                    {"GIF89a", imagebody.GIF},
		"gif of no version":         {"GIF88a", ""},
		"jpeg":                      {"\xff\xd8\xff\xe0", imagebody.JPEG},
		"jpeg cut":                  {"\xff\xd8", ""},
		"png":                       {pngHead, imagebody.PNG},
		"png mangled by text mode":  {"\x89PNG\n\x1a\n", ""},
		"pdf":                       {"%PDF-1.7\n", imagebody.PDF},
		"pdf after mark and spaces": {"\xef\xbb\xbf \r\n%PDF-1.4", imagebody.PDF},
		"text about pdf":            {"see %PDF-1.4", ""},
		"tiff little endian":        {"II*\x00\x08", imagebody.TIFF},
		"tiff big endian":           {"MM\x00*\x00", imagebody.TIFF},
		"big tiff little endian":    {"II+\x00", imagebody.TIFF},
		"big tiff big endian":       {"MM\x00+", imagebody.TIFF},
		"webp":                      {"RIFF\x00\x00\x00\x00WEBP", ""},
		"html":                      {"<html>", ""},
		"nothing":                   {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, imagebody.Sniff([]byte(row.head)))
		})
	}
}
