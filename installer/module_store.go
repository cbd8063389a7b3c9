package installer

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
)

// moduleDir is our own store of modules, a folder for each kernel. On systems with a read-only /usr it is where they are loaded from.
const moduleDir = "/opt/scaleio-agent/modules"

// storedModule is what lies beside a module in the store.
type storedModule struct {
	SDCVersion string `json:"sdcVersion"` // as the repository writes it
	SHA256     string `json:"sha256"`     // of scini.ko
	From       string `json:"from"`
	Pinned     bool   `json:"pinned"` // the manifest named its digest
	Packed     bool   `json:"packed"` // it came with the vendor's signature, in scini.tar
}

func storePath(kernel, name string) string { return path.Join(moduleDir, kernel, name) }

const (
	moduleFile   = scaleio.ModuleName + ".ko"
	modulePacked = scaleio.ModuleName + ".tar"
	moduleRecord = scaleio.ModuleName + ".json"
)

// stored module of a kernel, if it is one for this SDC and whole.
func (o *orders) stored(kernel, version string) (record storedModule, ok bool, err error) {
	data, err := o.sys.Files.Read(storePath(kernel, moduleRecord))
	if errors.Is(err, platform.ErrNotFound) {
		return record, false, nil
	} else if err != nil {
		return record, false, err
	}
	if json.Unmarshal(data, &record) != nil || record.SDCVersion != version {
		return record, false, nil
	}
	same, err := o.digests.is(storePath(kernel, moduleFile), record.SHA256)
	return record, same, err
}

// store a verified module; the record comes last and makes it whole.
func (o *orders) store(kernel string, m fetchedModule, record storedModule) error {
	if err := o.sys.Files.MkdirAll(path.Join(moduleDir, kernel), 0o755); err != nil {
		return err
	}
	if err := o.sys.Files.Remove(storePath(kernel, moduleRecord)); err != nil {
		return err
	}
	o.modules.expire(storePath(kernel, moduleFile), o.sys.Clock())
	if err := o.sys.Files.Write(storePath(kernel, moduleFile), m.plain, 0o644); err != nil {
		return err
	}
	if m.packed != nil {
		if err := o.sys.Files.Write(storePath(kernel, modulePacked), m.packed, 0o644); err != nil {
			return err
		}
	}
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("storing a module: %w", err)
	}
	return o.sys.Files.Write(storePath(kernel, moduleRecord), data, 0o644)
}

// staleModules are the kernels in the store that can't be booted here any more.
func (o *orders) staleModules(next string) ([]string, error) {
	folders, err := o.sys.Files.Glob(moduleDir + "/*")
	if err != nil || len(folders) == 0 {
		return nil, err
	}
	installed, err := kmod.Installed(o.sys.Files, o.sys.Facts)
	if err != nil {
		return nil, err
	}
	var stale []string
	for _, f := range folders {
		if kernel := path.Base(f); kernel != next && !slices.Contains(installed, kernel) {
			stale = append(stale, kernel)
		}
	}
	return stale, nil
}

func (o *orders) dropModule(kernel string) error {
	for _, name := range []string{moduleRecord, moduleFile, modulePacked, ""} {
		if err := o.sys.Files.Remove(storePath(kernel, name)); err != nil {
			return err
		}
	}
	return nil
}
