package vm

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// makeDisk makes a disk with one partition that holds what is in root.
func makeDisk(ctx context.Context, root, image string) error {
	file, err := os.Create(image)
	if err == nil {
		err = file.Truncate((rootMiB + 2) << 20) // and the table's second copy
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return fmt.Errorf("making the root disk: %w", err)
	}
	table := fmt.Sprintf("label: gpt\nstart=%d, size=%d, type=linux, uuid=%s\n", rootOffset/512, rootMiB<<20/512, rootPartition)
	if _, err := output(ctx, "", strings.NewReader(table), "sfdisk", "-q", image); err != nil {
		return err
	}
	_, err = output(ctx, "", nil, "mkfs.ext4", "-q", "-F", "-L", "root", "-E", "offset="+strconv.Itoa(rootOffset), "-d", root, image, strconv.Itoa(rootMiB)+"M")
	return err
}

// fileSystem of a root disk, as e2fsprogs name it.
func fileSystem(image string) string { return image + "?offset=" + strconv.Itoa(rootOffset) }

// inject copies the files below dir onto the root disk of a machine that is off, with their modes; owner is root.
func inject(ctx context.Context, image, dir string) error {
	var script strings.Builder
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		inside := "/" + strings.TrimPrefix(name, dir+"/")
		parent, base := path.Split(inside)
		switch {
		case entry.IsDir():
			fmt.Fprintf(&script, "cd %s\nmkdir %s\n", parent, base) // "mkdir /opt" would make it where debugfs stands
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(&script, "cd %s\nrm %s\nsymlink %s %s\n", parent, base, base, target)
		default:
			fmt.Fprintf(&script, "cd %s\nrm %s\nwrite %s %s\n", parent, base, name, base)
			fmt.Fprintf(&script, "sif %s mode 0%o\nsif %s uid 0\nsif %s gid 0\n", inside, 0o100000|info.Mode().Perm(), inside, inside)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("putting files on %s: %w", image, err)
	}
	// It goes on after errors and ends with 0: what must be there is looked for.
	said, err := output(ctx, "", strings.NewReader(script.String()), "debugfs", "-w", "-f", "/dev/stdin", fileSystem(image))
	if err != nil {
		return err
	}
	return verifyInjected(ctx, image, dir, said)
}

func verifyInjected(ctx context.Context, image, dir, said string) error {
	return filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		inside := "/" + strings.TrimPrefix(name, dir+"/")
		stat, err := debugfs(ctx, image, "stat "+inside)
		if err != nil {
			return err
		}
		if !strings.Contains(stat, fmt.Sprintf("Size: %d", info.Size())) {
			return fmt.Errorf("putting %s on %s: %s: %s", inside, image, tail(stat), tail(said))
		}
		return nil
	})
}

func debugfs(ctx context.Context, image, request string) (string, error) {
	return output(ctx, "", nil, "debugfs", "-R", request, fileSystem(image))
}

var kernelPattern = regexp.MustCompile(`vmlinuz-(\S+)`)

// installedKernel is what a boot loader would start on a machine that is off: the newest in /boot.
func installedKernel(ctx context.Context, image string) (string, error) {
	listed, err := debugfs(ctx, image, "ls -p /boot")
	if err != nil {
		return "", err
	}
	newest := ""
	for _, m := range kernelPattern.FindAllStringSubmatch(strings.ReplaceAll(listed, "/", " "), -1) {
		if newest == "" || older(newest, m[1]) {
			newest = m[1]
		}
	}
	if newest == "" {
		return "", fmt.Errorf("looking for a kernel on %s: none in /boot: %s", image, tail(listed))
	}
	return newest, nil
}

// settle replays the journal of a root disk whose machine lost power.
func settle(ctx context.Context, image string) error {
	_, err := output(ctx, "", nil, "debugfs", "-w", "-R", "jr", fileSystem(image))
	return err
}
