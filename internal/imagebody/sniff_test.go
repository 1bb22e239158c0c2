package imagebody_test

import (
	"bytes"
	"strings"
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
		"heic":                      {"\x00\x00\x00\x18ftypheic", ""},
		"nothing":                   {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, imagebody.Sniff([]byte(row.head)))
		})
	}
}

// What is refused is named, without a byte of it.
func TestRefusedTypesAreNamed(t *testing.T) {
	t.Parallel()
	const accepted = ", not a GIF, JPG, PNG, PDF or TIFF"
	for name, row := range map[string]struct{ head, want string }{
		"heic":          {"\x00\x00\x00\x18ftypheic\x00\x00", "HEIC"},
		"heic sequence": {"\x00\x00\x00\x18ftyphevc\x00\x00", "HEIC"},
		"heif":          {"\x00\x00\x00\x18ftypmif1\x00\x00", "HEIF"},
		"avif":          {"\x00\x00\x00\x18ftypavif\x00\x00", "AVIF"},
		"mp4":           {"\x00\x00\x00\x18ftypisom\x00\x00", "a video"},
		"jpeg 2000":     {"\x00\x00\x00\x0cjP  \r\n", "JPEG 2000"},
		"jpeg xl":       {"\x00\x00\x00\x0cJXL \r\n", "JPEG XL"},
		"webp":          {"RIFF\x00\x00\x00\x00WEBPVP8 ", "WebP"},
		"bmp":           {"BM\x00\x00\x00\x00", "BMP"},
		"docx":          {"PK\x03\x04\x14\x00", "a ZIP archive or an Office document"},
		"doc":           {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"},
		"svg":           {`<svg xmlns="x">`, "SVG"},
		"svg in xml":    {`<?xml version="1.0"?><svg>`, "SVG"},
		"xml":           {`<?xml version="1.0"?><a>`, "XML"},
		"html":          {"<!DOCTYPE html><p>Canaria", "HTML"},
		"data uri":      {"data:image/png;base64,iVBORw0KGgo=", "a data URI: decode its Base64 first"},
		"base64 png":    {"iVBORw0KGgoAAAANSUhEUgAA", "Base64 text: give the image itself"},
		"base64 jpeg":   {"/9j/4AAQSkZJRgABAQAAAQAB", "Base64 text: give the image itself"},
		"text":          {"Canaria", "text"},
		"bytes":         {"\x01\x02Canaria", "of no known type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := imagebody.NewSource(strings.NewReader(row.head), imagebody.Options{})
			require.ErrorIs(t, err, imagebody.ErrType)
			require.Equal(t, row.want+accepted, imagebody.Seen(err))
		})
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte(pngHead))
	f.Add([]byte("\x00\x00\x00\x18ftypheic"))
	f.Add([]byte("iVBORw0KGgoAAAANSUhEUgAA"))
	f.Fuzz(func(t *testing.T, head []byte) {
		_, err := imagebody.NewSource(bytes.NewReader(head), imagebody.Options{})
		if imagebody.Sniff(head[:min(len(head), 1024)]) != "" {
			require.NoError(t, err)
		} else if len(head) > 0 {
			require.ErrorIs(t, err, imagebody.ErrType)
		}
	})
}
