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

// grubNext is the newest kernel, as update-grub lists it first, unless another entry was chosen.
func grubNext(files Files) (Next, error) {
	env, err := grubEnvironment(files, "/boot/grub/grubenv")
	if err != nil {
		return Next{}, err
	}
	chosen := env["next_entry"]
	if chosen == "" {
		if chosen, err = grubDefault(files); err != nil {
			return Next{}, err
		}
		if chosen == "saved" {
			chosen = env["saved_entry"]
		}
	}
	for _, form := range []*regexp.Regexp{grubTitle, grubID} {
		if m := form.FindStringSubmatch(chosen); m != nil {
			return Next{m[1], "the boot loader's chosen entry"}, nil
		}
	}
	if chosen == "" || chosen == "0" || strings.HasPrefix(chosen, "gnulinux-simple-") { // the first one
		return newestImage(files)
	}
	return Next{}, unknownEntry(chosen)
}

// unknownEntry was chosen, so that the newest kernel isn't what comes.
func unknownEntry(chosen string) error {
	return fmt.Errorf("the boot loader's chosen entry %q doesn't name its kernel: choose it by its id or title, or the first one", chosen)
}

// grubDefault is GRUB_DEFAULT as update-grub takes it: the last one of /etc/default/grub and, after it, of grub.d in the order of names. "" = not set.
func grubDefault(files Files) (string, error) {
	more, err := files.Glob("/etc/default/grub.d/*.cfg")
	if err != nil {
		return "", err
	}
	slices.Sort(more)
	chosen := ""
	for _, name := range append([]string{"/etc/default/grub"}, more...) {
		text, err := files.Read(name)
		if errors.Is(err, platform.ErrNotFound) {
			continue
		} else if err != nil {
			return "", err
		}
		for _, l := range strings.Split(string(text), "\n") {
			if value, set := grubAssignment(l); set {
				chosen = value
			}
		}
	}
	return chosen, nil
}

var grubSets = regexp.MustCompile(`^(?:export\s+)?GRUB_DEFAULT=(?:"([^"$\x60\\]*)"|'([^']*)'|([^\s"'$\x60\\;&|<>()]*))\s*;?\s*(?:#.*)?$`)

// grubAssignment of one line. These files are shell: a value that only a shell could tell is given as the line itself, which names no kernel.
func grubAssignment(line string) (value string, set bool) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") || !strings.Contains(line, "GRUB_DEFAULT=") {
		return "", false
	}
	if m := grubSets.FindStringSubmatch(line); m != nil {
		return m[1] + m[2] + m[3], true
	}
	return line, true
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
	if chosen == "" || chosen == "0" {
		return newestImage(files)
	}
	if entryNumber.MatchString(chosen) || strings.ContainsAny(chosen, "/ ") { // a title has spaces
		return Next{}, unknownEntry(chosen)
	}
	entry, err := files.Read("/boot/loader/entries/" + chosen + ".conf")
	if errors.Is(err, platform.ErrNotFound) { // for one that is gone GRUB takes the first
		return newestImage(files)
	} else if err != nil {
		return Next{}, err
	}
	release := entryKernel(string(entry))
	if release == "" {
		return Next{}, unknownEntry(chosen)
	}
	return Next{release, "the boot loader's default entry"}, nil
}

// entryNumber in the menu, or in a submenu of it.
var entryNumber = regexp.MustCompile(`^[0-9]+(>.*)?$`)

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
