// Command notices writes the licences of everything that is in the binary of a
// package: its modules and Go itself. A container or an archive with the binary
// must come with them.
//
//	go run ./internal/notices -package ./cmd/passfort-sim -out cmd/passfort-sim/THIRD_PARTY.txt
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	of := flag.String("package", "", "`package` of the binary")
	out := flag.String("out", "", "`file` to write")
	flag.Parse()
	if err := write(*of, *out); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func write(of, out string) error {
	modules, err := list(context.Background(), of)
	if err != nil {
		return err
	}
	text, err := notices(modules)
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o644)
}

// module is one module in the binary.
type module struct{ Path, Version, Dir string }

// systems are those that the binary is released for: each may need other modules.
var systems = []string{"linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64"}

// list returns the modules of a package's binary on all systems, without the main
// module, and the Go distribution.
func list(ctx context.Context, of string) ([]module, error) {
	found := map[string]module{}
	for _, system := range systems {
		goos, goarch, _ := strings.Cut(system, "/")
		cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Module", of)
		cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		output, err := cmd.Output()
		if err != nil {
			return nil, err
		}
		for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
			var p struct {
				Module *struct {
					module
					Main bool
				}
			}
			if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				found[p.Module.Path] = p.Module.module
			}
		}
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	modules := []module{{Path: "Go standard library", Dir: strings.TrimSpace(string(goroot))}}
	for _, m := range found {
		modules = append(modules, m)
	}
	slices.SortFunc(modules[1:], func(a, b module) int { return cmp.Compare(a.Path, b.Path) })
	return modules, nil
}

const rule = "--------------------------------------------------------------------------------\n"

// notices returns the text for the modules. It fails for one without a licence.
func notices(modules []module) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("This program contains the following software. Written by internal/notices.\n")
	for _, m := range modules {
		texts, err := licences(m.Dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		fmt.Fprintf(&b, "\n%s%s %s\n", rule, m.Path, m.Version)
		if strings.Contains(texts, "Mozilla Public License Version 2.0") ||
			strings.Contains(texts, "Mozilla Public License, version 2.0") {
			// Section 3.2 (a): whoever gets the program must learn how to get this.
			fmt.Fprintf(&b, "Its source code form, unchanged, is available under the licence below, at no\ncharge, "+
				"as version %s of the Go module %s:\ngo mod download %s@%s, or https://%s/tree/%s\n",
				m.Version, m.Path, m.Path, m.Version, m.Path, m.Version)
		}
		fmt.Fprintf(&b, "%s\n%s", rule, texts)
	}
	return b.Bytes(), nil
}

// licences returns the licence files of a folder one after the other.
func licences(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var all []string
	for _, entry := range entries {
		name := strings.ToUpper(entry.Name())
		if entry.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "NOTICE") &&
			!strings.HasPrefix(name, "COPYING") && !strings.HasPrefix(name, "PATENTS") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return "", err
		}
		all = append(all, strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))+"\n")
	}
	if len(all) == 0 {
		return "", errors.New("there is no licence in its folder")
	}
	return strings.Join(all, "\n"), nil
}
