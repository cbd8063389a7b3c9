package nodes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// CacheDir keeps what is the same for every cluster.
const CacheDir = "/var/cache/scaleio-framework"

// Root is the file system that all nodes of a kind share below their own changes.
type Root struct {
	Kind       Kind
	Dir        string // the root itself, never written to after it was made
	Repository string // what its package tools expect at the mirror, as the directory Served
	Served     string // "" = this kind has no package tools
}

// recipe is everything that decides what a root is; another recipe is another
// root in the cache.
type recipe struct {
	Presents string // of which system's os-release is there
	Suite    string
	Packages []string // of Debian, on every node
	Offered  []string // of Debian, in the repository for the product to install
	Empty    map[string]string
	RPMs     []rpmPackage // in the repository of a system with rpm
	Base     []string     // of those, what is known to be installed
	Served   string       // which kind of repository: "apt", "rpm" or none
	Removed  []string     // patterns of what isn't left in the root
	Files    map[string]string
	Links    map[string]string
}

// suite is Debian 12: the newest whose systemd still boots beside cgroup v1.
const suite = "bookworm"

// commonRecipe is what every kind has.
func commonRecipe(presents, osRelease string) recipe {
	return recipe{
		Presents: presents,
		Suite:    suite,
		Packages: []string{"systemd", "systemd-sysv", "dbus", "iproute2", "e2fsprogs", "xfsprogs", "gdisk", "fdisk",
			"kmod", "ca-certificates", "procps", "curl"},
		Files: map[string]string{
			"/usr/lib/os-release": osRelease,
			"/etc/issue":          "Debian 12 that presents the os-release of " + presents + ", for tests \\n \\l\n",
			"/etc/systemd/system/node-network.service":     networkUnit,
			"/etc/systemd/journald.conf.d/persistent.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=128M\n",
			"/etc/hosts":      "127.0.0.1 localhost\n" + Gateway + " mirror master\n",
			"/etc/machine-id": "",
			"/etc/hostname":   "",
		},
		Links: map[string]string{
			"/etc/systemd/system/multi-user.target.wants/node-network.service": "../node-network.service",
			"/etc/systemd/system/systemd-networkd.service":                     "/dev/null",
			"/etc/systemd/system/systemd-resolved.service":                     "/dev/null",
			"/etc/systemd/system/apt-daily.timer":                              "/dev/null",
			"/etc/systemd/system/apt-daily-upgrade.timer":                      "/dev/null",
			"/etc/systemd/system/e2scrub_all.timer":                            "/dev/null",
			"/etc/systemd/system/fstrim.timer":                                 "/dev/null",
			"/etc/systemd/system/getty.target":                                 "/dev/null",
			"/etc/systemd/system/console-getty.service":                        "/dev/null",
		},
	}
}

const networkUnit = `[Unit]
Description=Static address of this node
Wants=network.target
Before=network.target network-online.target
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=/etc/node-network
ExecStart=ip link set lo up
ExecStart=ip address replace ${ADDRESS} dev host0
ExecStart=ip link set host0 up
ExecStart=ip route replace default via ${GATEWAY}

[Install]
WantedBy=multi-user.target
`

func (r recipe) key() string {
	text, _ := json.Marshal(r) // maps are written in the order of their keys
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// BuildRoot returns the root of a kind, made now if the cache lacks it.
func BuildRoot(ctx context.Context, kind Kind, log *slog.Logger) (Root, error) {
	r, err := kind.recipe()
	if err != nil {
		return Root{}, err
	}
	dir := filepath.Join(CacheDir, string(kind)+"-"+r.key())
	root := Root{Kind: kind, Dir: filepath.Join(dir, "root"), Repository: filepath.Join(dir, r.Served), Served: r.Served}
	if _, err := os.Stat(dir); err == nil {
		log.Info("the nodes' root is in the cache", "kind", kind, "dir", dir)
		return root, nil
	}
	log.Info("building the nodes' root (once): a minimal Debian 12 that presents the os-release of "+r.Presents, "dir", dir)
	if err := os.MkdirAll(CacheDir, 0o755); err != nil {
		return root, fmt.Errorf("building the root of %s nodes: %w", kind, err)
	}
	part, err := os.MkdirTemp(CacheDir, "part-")
	if err != nil {
		return root, fmt.Errorf("building the root of %s nodes: %w", kind, err)
	}
	defer os.RemoveAll(part)
	if err := r.build(ctx, filepath.Join(part, "root"), filepath.Join(part, r.Served), log); err != nil {
		return root, fmt.Errorf("building the root of %s nodes: %w", kind, err)
	}
	if err := os.Chmod(part, 0o755); err != nil {
		return root, fmt.Errorf("building the root of %s nodes: %w", kind, err)
	}
	if err := os.Rename(part, dir); err != nil {
		return root, fmt.Errorf("building the root of %s nodes: %w", kind, err)
	}
	return root, nil
}

func (r recipe) build(ctx context.Context, root, repository string, log *slog.Logger) error {
	// The offered packages are installed and purged again: debootstrap fetches
	// and verifies them with their dependencies, and leaves the files.
	include := strings.Join(append(append([]string{}, r.Packages...), r.Offered...), ",")
	log.Info("fetching Debian packages")
	debootstrap := []string{"debootstrap", "--variant=minbase", "--include=" + include, r.Suite, root}
	if archive := Archive(ctx, r.Suite); archive != "" {
		debootstrap = append(debootstrap, archive)
	}
	if _, err := output(ctx, debootstrap...); err != nil {
		return err
	}
	if err := WriteFiles(root, r.Files, r.Links); err != nil {
		return err
	}
	if r.Served != "" {
		log.Info("making the nodes' signed package repository", "kind", r.Served)
		if err := r.buildRepository(ctx, repository, root); err != nil {
			return err
		}
	}
	return Trim(root, r.Removed...)
}

func (r recipe) buildRepository(ctx context.Context, dir, root string) error {
	pool := filepath.Join(dir, "pool")
	if err := os.MkdirAll(pool, 0o755); err != nil {
		return fmt.Errorf("making the repository: %w", err)
	}
	if r.Served == "rpm" {
		return r.buildRPM(ctx, dir, root)
	}
	if err := r.takeOffered(ctx, root, pool); err != nil {
		return err
	}
	return r.buildAPT(ctx, dir, filepath.Join(root, "usr/share/keyrings/node-mirror.gpg"))
}

// takeOffered moves the offered packages' files to the repository and removes
// what they installed.
func (r recipe) takeOffered(ctx context.Context, root, pool string) error {
	cached := filepath.Join(root, "var/cache/apt/archives")
	for _, name := range r.Offered {
		files, _ := filepath.Glob(filepath.Join(cached, name+"_*.deb"))
		if len(files) != 1 {
			return fmt.Errorf("looking for the package file of %s: %d found", name, len(files))
		}
		if err := os.Rename(files[0], filepath.Join(pool, filepath.Base(files[0]))); err != nil {
			return fmt.Errorf("moving a package: %w", err)
		}
	}
	_, err := output(ctx, append([]string{"chroot", root, "dpkg", "--purge"}, r.Offered...)...)
	return err
}

// Archive is the Debian archive that the host itself uses, so that a local
// mirror serves here too; on another distribution it is debootstrap's default ("").
func Archive(ctx context.Context, suite string) string {
	listed, err := output(ctx, "apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
	if err != nil {
		return ""
	}
	for _, line := range strings.Split(listed, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == suite && fields[1] == "main" {
			return strings.TrimSuffix(fields[2], "/")
		}
	}
	return ""
}
