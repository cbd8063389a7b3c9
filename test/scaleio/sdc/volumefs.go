package sdc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// maxIO is the largest request that the kernel hands over; bigger is fewer round trips to the SDSs.
const maxIO = 1 << 20

const closeWithin = 2 * time.Second

// volumeFS is the hidden file system with one file per attached volume. Nobody but the loop devices opens it.
type volumeFS struct {
	dir    string
	root   *fs.Inode
	server *fuse.Server
}

// mountVolumeFS replaces what a killed daemon left: such a mount only answers "transport endpoint is not connected".
func mountVolumeFS(dir string) (*volumeFS, error) {
	for unix.Unmount(dir, unix.MNT_DETACH) == nil {
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the volumes' mount point: %w", err)
	}
	root, never := &fs.Inode{}, time.Duration(0)
	server, err := fs.Mount(dir, root, &fs.Options{
		MountOptions: fuse.MountOptions{
			FsName: "scini", Name: "scini", MaxWrite: maxIO, DirectMountStrict: true, DisableXAttrs: true,
		},
		AttrTimeout: &never, EntryTimeout: &never,
	})
	if err != nil {
		return nil, fmt.Errorf("mounting the volumes' file system at %s: %w", dir, err)
	}
	return &volumeFS{dir: dir, root: root, server: server}, nil
}

func (f *volumeFS) add(v *Volume) (path string) {
	name := v.system.systemID() + "-" + v.id
	child := f.root.NewPersistentInode(context.Background(), &volumeFile{v: v}, fs.StableAttr{Mode: fuse.S_IFREG})
	f.root.AddChild(name, child, true)
	return filepath.Join(f.dir, name)
}

func (f *volumeFS) remove(path string) { f.root.RmChild(filepath.Base(path)) }

// close doesn't wait for ever: a volume that was unmapped while mounted keeps its file open as long as it is mounted.
func (f *volumeFS) close() error {
	if err := unix.Unmount(f.dir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting %s: %w", f.dir, err)
	}
	ended := make(chan struct{})
	go func() {
		f.server.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(closeWithin):
	}
	return nil
}

// volumeFile is a volume as a file. Opening it anew drops what the kernel had cached, so a volume that was elsewhere meanwhile is read afresh.
type volumeFile struct {
	fs.Inode
	v *Volume
}

var (
	_ fs.NodeGetattrer = (*volumeFile)(nil)
	_ fs.NodeSetattrer = (*volumeFile)(nil)
	_ fs.NodeOpener    = (*volumeFile)(nil)
	_ fs.NodeReader    = (*volumeFile)(nil)
	_ fs.NodeWriter    = (*volumeFile)(nil)
	_ fs.NodeFsyncer   = (*volumeFile)(nil)
)

func (f *volumeFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size, out.Blksize = fuse.S_IFREG|0o600, uint64(f.v.SizeBytes()), 4096
	return 0
}

func (f *volumeFile) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if _, truncate := in.GetSize(); truncate {
		return syscall.EPERM
	}
	return f.Getattr(ctx, h, out)
}

func (f *volumeFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, 0, 0
}

func (f *volumeFile) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := f.v.ReadAt(dest, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, f.failed("reading", off, err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

func (f *volumeFile) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	n, err := f.v.WriteAt(data, off)
	if err != nil {
		return 0, f.failed("writing", off, err)
	}
	return uint32(n), 0
}

// Fsync has nothing to do: the SDSs sync before they acknowledge.
func (f *volumeFile) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno { return 0 }

func (f *volumeFile) failed(doing string, off int64, err error) syscall.Errno {
	f.v.system.log.Error(doing+" failed", "volume", f.v.id, "offset", off, "err", err)
	return syscall.EIO
}
