package installertest

import (
	"strconv"
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform/kmod"
	"scaleio-framework/platform/platformtest"
)

const sysModule = "/sys/module/scini/"

// Module of the SDC for a kernel.
func (n *Node) Module(kernel string) platformtest.KernelModule {
	return platformtest.KernelModule{Name: "scini", Vermagic: kernel + " SMP mod_unload modversions", Version: scaleio.ModuleVersion(Version), SrcVersion: "0123456789ABCDEF"}
}

// CachedModule is where the scripts of the SDC's package keep the module of a kernel.
func (n *Node) CachedModule(kernel string) string {
	return strings.Join([]string{scaleio.PathSciniSync, "driver_cache", scaleio.ModuleOSes(n.Facts)[0], scaleio.ModuleVersion(Version), kernel, "scini.ko"}, "/")
}

// load is what the start of scini does with the module that lies in the cache, or in our own folder where nobody else loads it. Its unit is active without one too.
func (n *Node) load() {
	file := n.CachedModule(n.Facts.Kernel)
	if n.Facts.Immutable {
		file = "/opt/scaleio-agent/modules/" + n.Facts.Kernel + "/scini.ko"
	}
	text, ok := n.file(file)
	if n.Facts.Container == "" {
		m, err := kmod.Parse([]byte(text))
		if !ok || err != nil || m.Release() != n.Facts.Kernel {
			return
		}
		n.Files.Set(sysModule+"initstate", "live\n", 0o444)
		n.Files.Set(sysModule+"version", m.Version+"\n", 0o444)
		n.Files.Set(sysModule+"srcversion", m.SrcVersion+"\n", 0o444)
		n.SetModuleUsers(n.ModuleUsers)
	}
	n.Files.Set(scaleio.PathScini, "", 0o600)
	n.loadDriver()
}

// SetModuleUsers says how often the module is in use.
func (n *Node) SetModuleUsers(users int) {
	n.ModuleUsers = users
	n.Files.Set(sysModule+"refcnt", strconv.Itoa(users)+"\n", 0o444)
}

// unload takes everything of it away.
func (n *Node) unload() {
	for _, name := range []string{"initstate", "version", "srcversion", "refcnt"} {
		n.Files.Delete(sysModule + name)
	}
	n.Files.Delete(scaleio.PathScini)
	n.ModuleUsers = 0
}

// LoseModule as somebody's rmmod does: the unit goes on being active.
func (n *Node) LoseModule() { n.unload() }
