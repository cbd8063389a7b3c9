package vm

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kernel is one of Debian's kernels with the stand-in module built for it.
type Kernel struct {
	Release string // as uname says
	Image   string // what qemu loads
	Modules string // its folder of modules
	Scini   string // the stand-in scini.ko
}

// Debian's kernels for clouds have NVMe, ext4 and serial lines built in, so they start without an initrd, and are small.
var headersPattern = regexp.MustCompile(`^linux-headers-(\d+\.\d+\.\d+\S*-cloud-amd64)$`)

// newestReleases picks the newest two releases of package names, the newer one last.
func newestReleases(names []string) ([]string, error) {
	var releases []string
	for _, name := range names {
		if m := headersPattern.FindStringSubmatch(name); m != nil {
			releases = append(releases, m[1])
		}
	}
	slices.SortFunc(releases, func(a, b string) int { return slices.Compare(numbers(a), numbers(b)) })
	releases = slices.Compact(releases)
	if len(releases) < 2 {
		return nil, fmt.Errorf("choosing two kernels: apt offers %v of linux-headers-*-cloud-amd64: this needs Debian's archive (a Debian 12 machine)", releases)
	}
	return releases[len(releases)-2:], nil
}

var digits = regexp.MustCompile(`\d+`)

// numbers of a release, for its order: 6.12.117+deb12-cloud-amd64 is 6, 12, 117, 12, 64.
func numbers(release string) []int {
	var all []int
	for _, d := range digits.FindAllString(release, -1) {
		n, _ := strconv.Atoi(d)
		all = append(all, n)
	}
	return all
}

func older(a, b string) bool { return slices.Compare(numbers(a), numbers(b)) < 0 }

// kernelReleases that apt offers on this machine now.
func kernelReleases(ctx context.Context) ([]string, error) {
	const search = "^linux-headers-.*-cloud-amd64$"
	listed, err := output(ctx, "", nil, "apt-cache", "search", "--names-only", search)
	if err == nil && listed == "" {
		if err := updateLists(ctx); err != nil {
			return nil, err
		}
		listed, err = output(ctx, "", nil, "apt-cache", "search", "--names-only", search)
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(listed) {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, strings.TrimSpace(name))
	}
	return newestReleases(names)
}

//go:embed scini/scini.c scini/Kbuild
var sciniSource embed.FS

// sciniKey changes with the module's source.
func sciniKey() string {
	source, _ := sciniSource.ReadFile("scini/scini.c") // embedded
	return digest(source)
}

// fetchKernel puts a kernel and the module built for it to dir: vmlinuz, modules/RELEASE, scini.ko.
func fetchKernel(ctx context.Context, release, dir string, log *slog.Logger) error {
	work, err := os.MkdirTemp(dir, "kernel-")
	if err != nil {
		return fmt.Errorf("fetching kernel %s: %w", release, err)
	}
	defer os.RemoveAll(work)
	image, headers := filepath.Join(work, "image"), filepath.Join(work, "headers")
	if err := unpack(ctx, image, "linux-image-"+release); err != nil {
		return fmt.Errorf("fetching kernel %s: %w", release, err)
	}
	if err := os.Rename(filepath.Join(image, "boot/vmlinuz-"+release), filepath.Join(dir, "vmlinuz")); err != nil {
		return fmt.Errorf("fetching kernel %s: %w", release, err)
	}
	found, _ := filepath.Glob(filepath.Join(image, "*/lib/modules", release)) // /usr/lib since 6.12's packaging
	older, _ := filepath.Glob(filepath.Join(image, "lib/modules", release))
	if found = append(found, older...); len(found) == 0 {
		return fmt.Errorf("fetching kernel %s: its package has no modules", release)
	}
	if err := os.MkdirAll(filepath.Join(dir, "modules"), 0o755); err != nil {
		return fmt.Errorf("fetching kernel %s: %w", release, err)
	}
	if err := os.Rename(found[0], filepath.Join(dir, "modules", release)); err != nil {
		return fmt.Errorf("fetching kernel %s: %w", release, err)
	}
	log.Info("building the stand-in scini module", "kernel", release)
	if err := unpackHeaders(ctx, release, headers); err != nil {
		return fmt.Errorf("unpacking headers of %s: %w", release, err)
	}
	return buildScini(ctx, release, headers, filepath.Join(dir, "scini.ko"))
}

// unpack downloads packages with apt, which verifies them, and unpacks them to dir without installing anything.
func unpack(ctx context.Context, dir string, names ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// apt's own user can't write here, and needn't.
	if _, err := output(ctx, dir, nil, append([]string{"apt-get", "-o", "APT::Sandbox::User=root", "-qq", "download"}, names...)...); err != nil {
		return err
	}
	debs, _ := filepath.Glob(filepath.Join(dir, "*.deb"))
	for _, deb := range debs {
		if _, err := output(ctx, "", nil, "dpkg-deb", "-x", deb, dir); err != nil {
			return err
		}
		if err := os.Remove(deb); err != nil {
			return err
		}
	}
	return nil
}

var headerParts = regexp.MustCompile(`linux-(headers-\S+-common|kbuild-[^ ,]+)`)

// unpackHeaders makes them usable where they lie: they name each other by absolute paths.
func unpackHeaders(ctx context.Context, release, dir string) error {
	top := "linux-headers-" + release
	control, err := output(ctx, "", nil, "apt-cache", "show", "--no-all-versions", top)
	if err != nil {
		return err
	}
	names := append([]string{top}, headerParts.FindAllString(control, -1)...)
	slices.Sort(names)
	if err := unpack(ctx, dir, slices.Compact(names)...); err != nil {
		return err
	}
	makefile := filepath.Join(dir, "usr/src", top, "Makefile")
	text, err := os.ReadFile(makefile)
	if err != nil {
		return err
	}
	if err := os.WriteFile(makefile, []byte(strings.ReplaceAll(string(text), "/usr/src/", dir+"/usr/src/")), 0o644); err != nil {
		return err
	}
	// Type information of the module would be made from it, with a tool that needn't be here; nothing needs it.
	return os.RemoveAll(filepath.Join(dir, "usr/src", top, "vmlinux"))
}

func buildScini(ctx context.Context, release, headers, to string) error {
	work := filepath.Join(headers, "scini")
	source, err := fs.Sub(sciniSource, "scini")
	if err == nil {
		err = os.CopyFS(work, source)
	}
	if err != nil {
		return fmt.Errorf("laying out the module's source: %w", err)
	}
	if _, err := output(ctx, work, nil, "make", "-s", "-C", filepath.Join(headers, "usr/src/linux-headers-"+release), "M="+work, "modules"); err != nil {
		return fmt.Errorf("building scini for %s: %w", release, err)
	}
	if _, err := output(ctx, work, nil, "strip", "--strip-debug", "scini.ko"); err != nil {
		return err
	}
	return os.Rename(filepath.Join(work, "scini.ko"), to)
}
