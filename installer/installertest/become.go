package installertest

import (
	"crypto/sha256"
	"encoding/hex"

	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

// Become a machine of another system, with .rpm packages of the product in the manifest: before anything is installed.
func (n *Node) Become(change func(*platform.Facts)) {
	change(&n.Facts)
	for i, p := range n.Spec.Packages {
		p.OS = n.Facts.OS
		if p.Format == "deb" {
			p = n.publishRPM(p)
		}
		n.Spec.Packages[i] = p
	}
	n.Packages.Offer("libaio", "numactl", "numactl-libs", "binutils", "python3", "bash-completion", "openssl", "e2fsprogs", "xfsprogs", "java-1.8.0-openjdk-headless")
}

func (n *Node) publishRPM(p api.Package) api.Package {
	body := "stand-in for " + p.Component + " " + Version + " in an rpm"
	sum := sha256.Sum256([]byte(body))
	p.Format, p.Size, p.SHA256 = "rpm", int64(len(body)), hex.EncodeToString(sum[:])
	n.Download.Serve(p.URL, []byte(body))
	component := p.Component
	n.Packages.Provide(installer.PackageFile(p), platformtest.Archive{Name: scaleio.RPMName(component), Version: Version + ".el9",
		Install: func(env map[string]string) error { return n.install(component, env) }})
	return p
}
