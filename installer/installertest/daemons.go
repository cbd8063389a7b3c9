package installertest

import (
	"errors"
	"maps"
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/systemd"
	"scaleio-framework/systemd/systemdtest"
)

// ErrScript is what a package's script says when it was told to fail.
var ErrScript = errors.New("subprocess installed post-installation script returned error exit status 1")

// install is what the scripts of a component's package do. A gateway without a password fails, as the product's does.
func (n *Node) install(component string, env map[string]string) error {
	n.mu.Lock()
	n.installEnv[component] = maps.Clone(env)
	n.mu.Unlock()
	switch component {
	case scaleio.MDM:
		role := "0" // unset is a tie-breaker
		if env[scaleio.EnvMDMRole] == "1" {
			role = "1"
		}
		n.Files.Set(scaleio.PathMDMConf, "# MDM\nactor_role_is_manager="+role+"\nfeatures=none\n", 0o640)
		n.Files.Set(scaleio.PathMDMCertificate, certificate("mdm", n.IP), 0o644)
		n.Files.Set(scaleio.PathCLI, "scli", 0o755)
		n.Commands.Handle(scaleio.PathCLI, n.scli)
	case scaleio.SDC:
		text := "ini_guid B0E3BFB8-C20B-43BF-93C8-13339E85AA50\n"
		if ips := env[scaleio.EnvMDMIP]; ips != "" {
			text += "mdm " + ips + "\n"
		}
		n.Files.Set(scaleio.PathDrvCfgText, text, 0o600)
		n.Files.Set(scaleio.PathDrvCfg, "drv_cfg", 0o755)
		n.Commands.Handle(scaleio.PathDrvCfg, n.drvCfg)
		if !n.WithoutModule {
			n.Files.Set(n.CachedModule(n.Facts.Kernel), string(n.Module(n.Facts.Kernel).File()), 0o644)
		}
	case scaleio.Gateway:
		if env[scaleio.EnvGatewayPassword] == "" {
			return ErrScript
		}
		n.Files.Set(scaleio.PathGatewayUser, "mdm.ip.addresses=\nsecurity.bypass_certificate_check=false\nfeatures.enable_snmp=false\n", 0o644)
	}
	n.Run(scaleio.Unit(component))
	return nil
}

// uninstall is what is left undone by a package's removal: the daemon is gone with its unit, what scripts made stays.
func (n *Node) uninstall(component string) {
	unit := scaleio.Unit(component)
	n.stopping(unit)
	n.Units.Set(unit, systemd.UnitState{Load: "not-found", Active: "inactive"})
	if component == scaleio.SDC {
		n.Files.Delete(scaleio.PathDrvCfg)
		n.Files.Delete(n.CachedModule(n.Facts.Kernel))
	}
}

// Run a unit as a package's script does: loaded, enabled and started.
func (n *Node) Run(unit string) {
	state := systemd.UnitState{Load: "loaded", Active: "active", Sub: "running", Enabled: "enabled", Result: "success", MainPID: 99}
	switch err := n.starting(unit); {
	case errors.Is(err, systemdtest.ErrSkipped):
		state.Active, state.Sub, state.MainPID = "inactive", "dead", 0
	case err != nil:
		state.Active, state.Sub, state.MainPID = "failed", "failed", 0
	}
	n.Units.Set(unit, state)
}

// Crash a unit: its daemon dies and nobody starts it.
func (n *Node) Crash(unit string) {
	n.stopping(unit)
	n.Units.Kill(unit)
}

// Reboot the node: its files stay, what is enabled comes back, the boot id is another.
func (n *Node) Reboot() {
	for _, unit := range []string{scaleio.UnitMDM, scaleio.UnitSDS, scaleio.UnitSDC, scaleio.UnitGateway, "rexray.service", "mesos-agent.service"} {
		n.stopping(unit)
	}
	n.Facts.BootID += "+"
	n.Units.Reboot()
}

// madeElsewhere tells whether a drop-in wants the unit to start on another machine alone.
func (n *Node) madeElsewhere(unit string) bool {
	for _, text := range n.Files.Tree("/etc/systemd/system/" + unit + ".d") {
		for line := range strings.Lines(text) {
			if host, ok := strings.CutPrefix(strings.TrimSpace(line), "ConditionHost="); ok && host != n.Facts.MachineID {
				return true
			}
		}
	}
	return false
}

// starting is what a daemon does when it comes up.
func (n *Node) starting(unit string) error {
	err := n.serve(unit)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running[unit] = err == nil
	return err
}

func (n *Node) serve(unit string) error {
	switch unit {
	case scaleio.UnitMDM:
		n.Network.Listen("127.0.0.1:9011", true)
	case scaleio.UnitSDS:
		n.Network.Listen("127.0.0.1:7072", true)
	case scaleio.UnitSDC:
		if n.madeElsewhere(unit) {
			return systemdtest.ErrSkipped
		}
		n.load()
	case scaleio.UnitGateway:
		n.Network.Listen("127.0.0.1:443", true)
	case "rexray.service":
		config, ok := n.file("/etc/rexray/config.yml")
		if !ok || !strings.Contains(config, "endpoint: https://") {
			return errors.New("no configuration")
		}
		for _, socket := range []string{"docker", "mesos", "rexray"} {
			n.Files.Set("/run/docker/plugins/"+socket+".sock", "", 0o600)
		}
	case "mesos-agent.service", "mesos-slave.service":
		if n.Mesos != nil {
			return n.Mesos.start(n)
		}
	}
	return nil
}

func (n *Node) stopping(unit string) {
	n.mu.Lock()
	n.running[unit] = false
	n.mu.Unlock()
	switch unit {
	case scaleio.UnitSDC:
		n.unload()
	case scaleio.UnitMDM:
		n.Network.Listen("127.0.0.1:9011", false)
	case scaleio.UnitSDS:
		n.Network.Listen("127.0.0.1:7072", false)
	case scaleio.UnitGateway:
		n.Network.Listen("127.0.0.1:443", false)
	}
	if n.Mesos != nil && strings.HasPrefix(unit, "mesos-") {
		n.Mesos.stop()
	}
}

// loadDriver reads drv_cfg.txt, as the driver does at boot.
func (n *Node) loadDriver() {
	text, _ := n.file(scaleio.PathDrvCfgText)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sdc = nil
	for _, line := range strings.Split(text, "\n") {
		if guid, ok := strings.CutPrefix(line, "ini_guid "); ok {
			n.guid = strings.ToUpper(guid)
		}
		if ips, ok := strings.CutPrefix(line, "mdm "); ok {
			n.sdc = append(n.sdc, strings.Split(strings.TrimSpace(ips), ","))
		}
	}
}
