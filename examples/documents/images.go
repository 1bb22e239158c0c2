package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/passfort-go/passfort"
)

// errImages: the folder does not hold what a document needs.
var errImages = errors.New("the folder's images")

// picture is one image of the document.
type picture struct {
	name string
	side passfort.ImageType
	size int64
	open func() (io.ReadCloser, error) // for each attempt to send it
}

type pictures []picture

// The sides that file names are searched for, and the kinds of file that are
// looked at.
var (
	sides      = []passfort.ImageType{passfort.ImageTypeFront, passfort.ImageTypeBack, passfort.ImageTypeFace}
	extensions = []string{".gif", ".jpg", ".jpeg", ".png", ".pdf", ".tif", ".tiff"}
)

// find finds the front, back and face among the files of a folder.
func find(files fs.FS) (pictures, error) {
	var found pictures
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("%w cannot be listed: %w", errImages, err)
	}
	for _, side := range sides {
		names := named(entries, side)
		if len(names) > 1 {
			return found, fmt.Errorf("%w have more than one %s: %s", errImages, strings.ToLower(string(side)),
				strings.Join(names, ", "))
		}
		for _, name := range names {
			info, err := fs.Stat(files, name)
			if err != nil {
				return found, fmt.Errorf("%w cannot be measured: %w", errImages, err)
			}
			open := func() (io.ReadCloser, error) { return files.Open(name) }
			found = append(found, picture{name: name, side: side, size: info.Size(), open: open})
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w need front, back or face in their names", errImages)
	}
	return found, nil
}

func named(entries []fs.DirEntry, side passfort.ImageType) []string {
	var names []string
	for _, entry := range entries {
		name := strings.ToLower(entry.Name())
		if !entry.IsDir() && strings.Contains(name, strings.ToLower(string(side))) &&
			slices.Contains(extensions, path.Ext(name)) {
			names = append(names, entry.Name())
		}
	}
	return names
}

func (p pictures) size() (total int64) {
	for _, picture := range p {
		total += picture.size
	}
	return total
}
