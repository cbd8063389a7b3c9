package payload

import (
	"context"
	"fmt"
	"maps"
	"path"
	"strings"
	"time"

	"scaleio-framework/platform/pkgmgr"
)

// The tool and the service that merge extensions into /usr: the service does it at boot, before anything of the system's normal work starts.
const (
	pathSysext  = "/usr/bin/systemd-sysext"
	unitSysext  = "systemd-sysext.service"
	refreshTime = 2 * time.Minute
)

// MergeExtensions lays all extensions over /usr anew, now and at every boot.
func MergeExtensions(ctx context.Context, units Units, run pkgmgr.RunJob) error {
	if err := units.Enable(ctx, unitSysext); err != nil {
		return err
	}
	if err := run(ctx, pkgmgr.Job{Name: "scaleio-agent-sysext", Argv: []string{pathSysext, "refresh"}, Timeout: refreshTime}); err != nil {
		return fmt.Errorf("laying the system extensions over /usr: %w", err)
	}
	return units.Reload(ctx)
}

// merge if something under /usr changes: what is in the extensions, or whether it is seen.
func (p *Packages) merge(ctx context.Context, now, before []entry) error {
	if maps.Equal(extended(now), extended(before)) && p.unmerged(now) == "" {
		return nil
	}
	return MergeExtensions(ctx, p.host.Units, p.host.RunJob)
}

func inExtension(e entry) bool { return strings.HasPrefix(e.Path, extensionDir+"/") }

// extended are the files of extensions, by their path.
func extended(files []entry) map[string]entry {
	all := map[string]entry{}
	for _, e := range files {
		if inExtension(e) {
			all[e.Path] = e
		}
	}
	return all
}

// merged is where a file of an extension is seen while that is merged; "" = it is no such file.
func merged(e entry) string {
	rest, ok := strings.CutPrefix(e.Path, extensionDir+"/")
	if !ok || e.Kind == kindDir {
		return ""
	}
	_, inUsr, ok := strings.Cut(rest, "/")
	if !ok {
		return ""
	}
	return "/" + inUsr
}

// unmerged names a file that isn't seen under /usr.
func (p *Packages) unmerged(files []entry) string {
	root, err := p.openRoot()
	if err != nil {
		return err.Error()
	}
	defer root.close()
	for _, e := range files {
		place := merged(e)
		if place == "" {
			continue
		}
		info, err := root.Lstat(inside(place))
		if err != nil || e.Kind != kindLink && info.Size() != e.Size {
			return fmt.Sprintf("%s isn't seen as %s: the system extension isn't merged", e.Path, place)
		}
	}
	return ""
}

func releasePath(extension string) string {
	return path.Join(extensionDir, extension, "usr/lib/extension-release.d/extension-release."+extension)
}

// extensionRelease of this system. With its SYSEXT_LEVEL the extension outlives updates and rollbacks of the system, as long as that promises to run what ran
// before; with its version it would be gone after each update. Whether what is in it runs is looked at besides, by its libraries.
func (p *Packages) extensionRelease(root tree) ([]byte, error) {
	level := ""
	for _, file := range []string{"etc/os-release", "usr/lib/os-release"} {
		data, err := root.ReadFile(file)
		if absent(err) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("reading the system's release: %w", err)
		}
		for line := range strings.Lines(string(data)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "SYSEXT_LEVEL="); ok {
				level = strings.Trim(v, `"'`)
			}
		}
		break
	}
	return ExtensionRelease(p.host.OSID, level), nil
}

// ExtensionRelease says which systems an extension is for: those with this ID and level; without a level any.
func ExtensionRelease(id, level string) []byte {
	if id == "" || level == "" {
		return []byte("ID=_any\n")
	}
	return fmt.Appendf(nil, "ID=%s\nSYSEXT_LEVEL=%s\n", id, level)
}
