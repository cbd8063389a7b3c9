package payload

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// libraryDirs are searched by every loader, whatever the distribution calls them.
var libraryDirs = []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"}

// libraries says what a package's programs need and wouldn't find; "" = nothing. A program that lacks a library fails only when it is started, and then says so in
// a journal that nobody reads; after an update of the system that may be long after.
func (p *Packages) libraries(files []entry) (missing string, err error) {
	dirs, err := p.configuredDirs()
	if err != nil {
		return "", err
	}
	dirs = append(dirs, libraryDirs...)
	visited := map[string]bool{}
	for _, e := range files {
		if e.Kind != kindFile || e.Mode&0o111 == 0 {
			continue
		}
		missing, err := p.needs(e.Path, dirs, visited, true)
		if err != nil || missing != "" {
			return missing, err
		}
	}
	return "", nil
}

// needs follows a file's loader and libraries.
func (p *Packages) needs(file string, dirs []string, visited map[string]bool, program bool) (missing string, err error) {
	if visited[file] {
		return "", nil
	}
	visited[file] = true
	f, err := elf.Open(p.root.Path(file))
	var format *elf.FormatError
	if errors.As(err, &format) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "", nil // a script, or something else
	} else if err != nil {
		return "", fmt.Errorf("reading %s: %w", file, err)
	}
	defer f.Close()
	if program {
		if loader := interpreter(f); loader != "" && !p.exists(loader) {
			return fmt.Sprintf("%s needs the loader %s, which this system doesn't have", file, loader), nil
		}
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return "", fmt.Errorf("reading what %s needs: %w", file, err)
	}
	search := append(ownDirs(f, file), dirs...)
	for _, library := range needed {
		found := p.find(library, search)
		if found == "" {
			return fmt.Sprintf("%s needs the library %s, which is neither on this system nor where the package's programs look", file, library), nil
		}
		if missing, err := p.needs(found, dirs, visited, false); err != nil || missing != "" {
			return missing, err
		}
	}
	return "", nil
}

func interpreter(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		name := make([]byte, min(p.Filesz, 4096))
		if n, err := p.ReadAt(name, 0); err == nil || n == len(name) {
			return strings.TrimRight(string(name), "\x00")
		}
	}
	return ""
}

// ownDirs that a program itself names.
func ownDirs(f *elf.File, file string) []string {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		lists, _ := f.DynString(tag) // none
		for _, list := range lists {
			for _, dir := range strings.Split(list, ":") {
				dirs = append(dirs, strings.NewReplacer("$ORIGIN", path.Dir(file), "${ORIGIN}", path.Dir(file)).Replace(dir))
			}
		}
	}
	return dirs
}

func (p *Packages) find(library string, dirs []string) string {
	for _, dir := range dirs {
		if file := path.Join(dir, library); strings.HasPrefix(file, "/") && p.exists(file) {
			return file
		}
	}
	return ""
}

func (p *Packages) exists(file string) bool {
	_, err := os.Stat(p.root.Path(file))
	return err == nil
}

// configuredDirs are those of ld.so.conf.
func (p *Packages) configuredDirs() ([]string, error) {
	files := []string{p.root.Path("/etc/ld.so.conf")}
	more, err := filepath.Glob(p.root.Path("/etc/ld.so.conf.d/*.conf"))
	if err != nil {
		return nil, fmt.Errorf("looking for the loader's configuration: %w", err)
	}
	var dirs []string
	for _, file := range append(files, more...) {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("reading the loader's configuration: %w", err)
		}
		for line := range strings.Lines(string(data)) {
			if dir := strings.TrimSpace(line); strings.HasPrefix(dir, "/") && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs, nil
}
