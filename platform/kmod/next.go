package kmod

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"scaleio-framework/platform"
)

// Next is the kernel that the next boot takes.
type Next struct {
	Release string
	From    string // what says so, for people
}

// NextKernel looks where the boot loader will. updateWaits says that an image-based system has written its other /usr and will boot from it. Where no boot
// loader's files are seen (a container, a kernel given from outside), it is the running one.
func NextKernel(files Files, facts platform.Facts, updateWaits bool) (Next, error) {
	next := Next{facts.Kernel, "the running kernel"}
	var found Next
	var err error
	switch {
	case facts.Family == platform.FamilyFlatcar:
		if updateWaits {
			found, err = otherSlot(files)
		}
	case facts.Family == platform.FamilyRPM:
		found, err = loaderEntry(files)
	default:
		found, err = grubNext(files)
	}
	if err != nil {
		return next, fmt.Errorf("looking for the next boot's kernel: %w", err)
	}
	if found.Release != "" {
		next = found
	}
	return next, nil
}

// Installed lists the releases of all kernels that could still be booted here, the running one included.
func Installed(files Files, facts platform.Facts) ([]string, error) {
	all := []string{facts.Kernel}
	for _, pattern := range []string{"/boot/vmlinuz-*", "/lib/modules/*"} {
		names, err := files.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("listing kernels: %w", err)
		}
		for _, n := range names {
			all = append(all, strings.TrimPrefix(path.Base(n), "vmlinuz-"))
		}
	}
	if facts.Family == platform.FamilyFlatcar { // a rollback boots the other slot's
		for _, slot := range []string{"a", "b"} {
			image, err := slotImage(files, slot)
			if err != nil {
				return nil, err
			}
			if image != "" {
				release, err := imageRelease(files, image)
				if err != nil {
					return nil, err
				}
				all = append(all, release)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

var (
	grubTitle = regexp.MustCompile(`with Linux ([^\s)'"]+)`)
	grubID    = regexp.MustCompile(`gnulinux-([0-9][^\s>]*)-(?:advanced|recovery)-`)
)

// grubNext is the newest kernel, as update-grub lists it first, unless an entry was chosen by name.
func grubNext(files Files) (Next, error) {
	env, err := grubEnvironment(files, "/boot/grub/grubenv")
	if err != nil {
		return Next{}, err
	}
	chosen := env["next_entry"]
	if defaults, err := files.Read("/etc/default/grub"); err == nil && chosen == "" {
		chosen = grubDefault(string(defaults))
		if chosen == "saved" {
			chosen = env["saved_entry"]
		}
	} else if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return Next{}, err
	}
	for _, form := range []*regexp.Regexp{grubTitle, grubID} {
		if m := form.FindStringSubmatch(chosen); m != nil {
			return Next{m[1], "the boot loader's chosen entry"}, nil
		}
	}
	return newestImage(files)
}

func grubDefault(text string) string {
	value := ""
	for _, l := range strings.Split(text, "\n") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(l), "GRUB_DEFAULT="); ok {
			value = strings.Trim(strings.TrimSpace(v), `"'`)
		}
	}
	return value
}

// newestImage among /boot/vmlinuz-RELEASE.
func newestImage(files Files) (Next, error) {
	images, err := files.Glob("/boot/vmlinuz-*")
	if err != nil {
		return Next{}, err
	}
	var releases []string
	for _, i := range images {
		release := strings.TrimPrefix(path.Base(i), "vmlinuz-")
		if strings.Contains(release, "rescue") || strings.HasSuffix(release, ".old") || strings.HasSuffix(release, ".bak") || strings.HasPrefix(release, ".") {
			continue
		}
		releases = append(releases, release)
	}
	if len(releases) == 0 {
		return Next{}, nil
	}
	return Next{slices.MaxFunc(releases, Compare), "the newest kernel in /boot"}, nil
}

var elTitle = regexp.MustCompile(`\(([0-9][^)\s]*)\)`)

// loaderEntry is the default one of Enterprise Linux: a title up to 7, a file of the boot loader specification since 8.
func loaderEntry(files Files) (Next, error) {
	env, err := grubEnvironment(files, "/boot/grub2/grubenv")
	if err != nil {
		return Next{}, err
	}
	chosen := env["saved_entry"]
	if once := env["next_entry"]; once != "" {
		chosen = once
	}
	if m := elTitle.FindStringSubmatch(chosen); m != nil {
		return Next{m[1], "the boot loader's default entry"}, nil
	}
	if chosen != "" && !strings.Contains(chosen, "/") {
		entry, err := files.Read("/boot/loader/entries/" + chosen + ".conf")
		if err == nil {
			if release := entryKernel(string(entry)); release != "" {
				return Next{release, "the boot loader's default entry"}, nil
			}
		} else if !errors.Is(err, platform.ErrNotFound) {
			return Next{}, err
		}
	}
	return newestImage(files)
}

// entryKernel of a boot loader specification file: of its image's name, since "version" is the distribution's to fill.
func entryKernel(entry string) string {
	for _, l := range strings.Split(entry, "\n") {
		fields := strings.Fields(l)
		if len(fields) >= 2 && fields[0] == "linux" {
			if _, release, ok := strings.Cut(path.Base(fields[1]), "vmlinuz-"); ok {
				return release
			}
		}
	}
	return ""
}

// grubEnvironment reads a grubenv file: lines of name=value in a block of 1024 bytes, filled with #.
func grubEnvironment(files Files, name string) (map[string]string, error) {
	data, err := files.Read(name)
	if errors.Is(err, platform.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for _, l := range strings.Split(string(data), "\n") {
		if key, value, ok := strings.Cut(l, "="); ok && !strings.HasPrefix(l, "#") {
			env[key] = value
		}
	}
	return env, nil
}
