//go:build vm

package vm

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInject(t *testing.T) {
	require.NoError(t, InstallTools(t.Context(), slog.New(slog.NewTextHandler(io.Discard, nil))))
	dir := t.TempDir()
	root, image := filepath.Join(dir, "root"), filepath.Join(dir, "disk.img")
	require.NoError(t, put(filepath.Join(root, "boot/vmlinuz-6.1.0-9-cloud-amd64"), nil, 0o644))
	require.NoError(t, put(filepath.Join(root, "etc/there"), []byte("before"), 0o644))
	require.NoError(t, makeDisk(t.Context(), root, image))

	files := filepath.Join(dir, "files")
	require.NoError(t, put(filepath.Join(files, "boot/vmlinuz-6.1.0-56-cloud-amd64"), []byte("newer"), 0o644))
	require.NoError(t, put(filepath.Join(files, "etc/there"), []byte("after"), 0o600))
	require.NoError(t, put(filepath.Join(files, "opt/a/b/program"), []byte("#!/bin/sh\n"), 0o755))
	require.NoError(t, os.Symlink("/opt/a/b", filepath.Join(files, "opt/current")))
	require.NoError(t, inject(t.Context(), image, files))

	text, err := debugfs(t.Context(), image, "cat /etc/there")
	require.NoError(t, err)
	assert.Equal(t, "after", text)
	stat, err := debugfs(t.Context(), image, "stat /opt/a/b/program")
	require.NoError(t, err)
	assert.Contains(t, stat, "Mode:  0755")
	link, err := debugfs(t.Context(), image, "stat /opt/current")
	require.NoError(t, err)
	assert.Contains(t, link, `Fast link dest: "/opt/a/b"`)
	kernel, err := installedKernel(t.Context(), image)
	require.NoError(t, err)
	assert.Equal(t, "6.1.0-56-cloud-amd64", kernel, "the newest, by number")
	_, err = output(t.Context(), "", nil, "e2fsck", "-fn", fileSystem(image))
	assert.NoError(t, err, "the file system is whole")
}
