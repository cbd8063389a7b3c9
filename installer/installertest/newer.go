package installertest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

// List another version of a component in the manifest, in place of the one before. Its scripts may be told to fail.
func (n *Node) List(component, version string, script func() error) api.Package {
	i := slices.IndexFunc(n.Spec.Packages, func(p api.Package) bool { return p.Component == component })
	p := &n.Spec.Packages[i]
	body := "stand-in for " + component + " " + version + " as a " + p.Format
	sum := sha256.Sum256([]byte(body))
	p.Version, p.URL, p.Size, p.SHA256 = version, "http://mirror/"+component+"-"+version, int64(len(body)), hex.EncodeToString(sum[:])
	n.Download.Serve(p.URL, []byte(body))
	name, tag := scaleio.DebName(component), ".Ubuntu.22.04"
	if p.Format == "rpm" {
		name, tag = scaleio.RPMName(component), ".el9"
	}
	n.Packages.Provide(installer.PackageFile(*p), platformtest.Archive{Name: name, Version: version + tag, Remove: func() { n.uninstall(component) },
		Install: func(env map[string]string) error {
			n.stopping(scaleio.Unit(component)) // the old version's script
			if script != nil {
				if err := script(); err != nil {
					return err
				}
			}
			return n.install(component, env)
		}})
	n.Spec.Version.Generation++
	return *p
}
