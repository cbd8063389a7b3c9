package platformtest

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"

	"scaleio-framework/platform"
)

// Archives of a machine: what a tar unpacks to is told to it.
type Archives struct {
	Hook  Hook
	Files *Files

	mu   sync.Mutex
	tars map[string]map[string]string // archive: name: text
}

// Provide says what a tar holds.
func (a *Archives) Provide(archive string, files map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tars == nil {
		a.tars = map[string]map[string]string{}
	}
	a.tars[archive] = files
}

// Unpack lays the files.
func (a *Archives) Unpack(_ context.Context, archive, dir string) (files []string, err error) {
	err = a.Hook.do("unpack "+archive, func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.Files.Tree(dir)) > 0 {
			return fmt.Errorf("unpacking %s: %s exists", archive, dir)
		}
		if _, ok := a.tars[archive]; !ok {
			return fmt.Errorf("unpacking %s: %w", archive, platform.ErrNotFound)
		}
		for name, text := range a.tars[archive] {
			file := path.Join(dir, name)
			a.Files.Set(file, text, 0o700)
			files = append(files, file)
		}
		return nil
	})
	return files, err
}

// RemoveAll of a folder.
func (a *Archives) RemoveAll(dir string) error {
	return a.Hook.do("remove-all "+dir, func() error {
		a.Files.mu.Lock()
		defer a.Files.mu.Unlock()
		for name := range a.Files.nodes {
			if name == dir || strings.HasPrefix(name, dir+"/") {
				delete(a.Files.nodes, name)
			}
		}
		return nil
	})
}
