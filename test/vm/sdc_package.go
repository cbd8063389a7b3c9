package vm

import (
	"archive/tar"
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

//go:embed files/sdc
var sdcFiles embed.FS

// The client's package under the vendor's name. Its version in the module repository's words names the folder of the driver cache.
const (
	SDCVersion    = "3.6-700.103.Ubuntu.22.04"
	ModuleVersion = "3.6.700.103"
	cacheFolder   = "bin/emc/scaleio/scini_sync/driver_cache/Ubuntu22.04/" + ModuleVersion
)

const sdcControl = `Package: emc-scaleio-sdc
Version: ` + SDCVersion + `
Architecture: amd64
Maintainer: ScaleIO Framework
Section: admin
Priority: optional
Depends: libaio1, numactl
Description: stand-in for the ScaleIO data client with a real kernel module, for tests in virtual machines
 Not the vendor's software: same package name, paths and unit. The module moves no data.
`

// BuildSDC makes a client's package that brings the module for the given kernels, each as the vendor packs it: in scini.tar.
func BuildSDC(ctx context.Context, file string, kernels ...Kernel) error {
	root, err := os.MkdirTemp(filepath.Dir(file), "sdc-")
	if err != nil {
		return fmt.Errorf("building the client's package: %w", err)
	}
	defer os.RemoveAll(root)
	if err := os.Chmod(root, 0o755); err != nil {
		return fmt.Errorf("building the client's package: %w", err)
	}
	err = fs.WalkDir(sdcFiles, "files/sdc", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := sdcFiles.ReadFile(name)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if bytes.HasPrefix(data, []byte("#!")) {
			mode = 0o755
		}
		return put(filepath.Join(root, strings.TrimPrefix(strings.TrimPrefix(name, "files/sdc/"), "root/")), data, mode)
	})
	if err == nil {
		err = put(filepath.Join(root, "DEBIAN/control"), []byte(sdcControl), 0o644)
	}
	for _, k := range kernels {
		if err == nil {
			err = PackModule(k, filepath.Join(root, cacheFolder, k.Release, "scini.tar"))
		}
	}
	if err != nil {
		return fmt.Errorf("building the client's package: %w", err)
	}
	_, err = output(ctx, "", nil, "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", root, file)
	return err
}

// PackModule makes the scini.tar of the vendor's repository for one kernel.
func PackModule(k Kernel, file string) error {
	module, err := os.ReadFile(k.Scini)
	if err != nil {
		return fmt.Errorf("packing the module for %s: %w", k.Release, err)
	}
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	err = w.WriteHeader(&tar.Header{Name: path.Base(k.Scini), Mode: 0o644, Size: int64(len(module))})
	if err == nil {
		_, err = w.Write(module)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("packing the module for %s: %w", k.Release, err)
	}
	return put(file, packed.Bytes(), 0o644)
}
