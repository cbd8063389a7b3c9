package installer

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/google/uuid"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/payload"
)

// PayloadRecipe says what stands for the scripts of the product's packages where those are unpacked: folders, units, and the configuration that the scripts write
// from their environment.
func PayloadRecipe(pkg, version string) (payload.Recipe, error) {
	component, ours := strings.CutPrefix(pkg, scaleio.RPMName(""))
	r, known := payloadRecipes[component]
	switch {
	case !ours || !known:
		return payload.Recipe{}, fmt.Errorf("package %s isn't known to run without package tools: known are those of MDM, SDS and SDC: %w", pkg, platform.ErrUnsupported)
	case compareVersions(version, payloadSince) < 0:
		return payload.Recipe{}, fmt.Errorf("version %s keeps its configuration under /bin, which is read-only here: %s or later is needed: %w", version, payloadSince, platform.ErrUnsupported)
	}
	r.Extension = "scaleio-" + component
	return r, nil
}

// hardening of the daemons that serve: they need their ports, disks and files under /opt, and no module, no kernel setting and nobody else's rights.
const hardening = `# Written by scaleio-agent.
[Unit]
After=systemd-sysext.service

[Service]
NoNewPrivileges=yes
LockPersonality=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
`

// ordering alone for the client: it loads the module and makes devices and mounts that the whole machine has to see.
const ordering = `# Written by scaleio-agent.
[Unit]
After=systemd-sysext.service
`

var payloadRecipes = map[string]payload.Recipe{
	scaleio.MDM: {
		Dirs:      []string{"/opt/emc/scaleio/mdm/cfg", "/opt/emc/scaleio/mdm/logs"},
		Units:     map[string]string{scaleio.UnitMDM: daemonUnit("ScaleIO metadata manager", "/opt/emc/scaleio/mdm/bin/mdm")},
		DropIns:   map[string]string{scaleio.UnitMDM: hardening},
		Config:    []string{scaleio.PathMDMConf},
		Configure: configureMDM,
	},
	scaleio.SDS: {
		Dirs:    []string{"/opt/emc/scaleio/sds/cfg", "/opt/emc/scaleio/sds/logs"},
		Units:   map[string]string{scaleio.UnitSDS: daemonUnit("ScaleIO data server", "/opt/emc/scaleio/sds/bin/sds")},
		DropIns: map[string]string{scaleio.UnitSDS: hardening},
	},
	scaleio.SDC: {
		Dirs:      []string{"/opt/emc/scaleio/sdc/logs", path.Dir(scaleio.PathDrvCfgText)},
		Units:     map[string]string{scaleio.UnitSDC: daemonUnit("ScaleIO client", "/opt/emc/scaleio/sdc/bin/scini")},
		DropIns:   map[string]string{scaleio.UnitSDC: ordering},
		Config:    []string{scaleio.PathDrvCfgText},
		Configure: configureSDC,
	},
}

// daemonUnit for packages that bring no unit file.
func daemonUnit(what, program string) string {
	return `# Written by scaleio-agent: the package brings no unit file.
[Unit]
Description=` + what + `
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=` + program + `
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`
}

// configureMDM writes the role. One that is there is kept: it may be changed only while the MDM is in no cluster.
func configureMDM(files payload.Files, env map[string]string) error {
	if _, err := files.Read(scaleio.PathMDMConf); !errors.Is(err, platform.ErrNotFound) {
		return err
	}
	role := env[scaleio.EnvMDMRole]
	if role == "" {
		role = "0"
	}
	return files.Write(scaleio.PathMDMConf, properties(nil).set(scaleio.KeyMDMIsManager, role), 0o644)
}

// configureSDC writes a GUID of this installation's own, and the managers if none is named yet.
func configureSDC(files payload.Files, env map[string]string) error {
	data, err := files.Read(scaleio.PathDrvCfgText)
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return err
	}
	text, err := scaleio.ParseDrvCfgText(data)
	if err != nil {
		return err
	}
	if text.GUID == "" {
		text = text.WithGUID(uuid.NewString())
	}
	out := text.Text()
	if managers := env[scaleio.EnvMDMIP]; managers != "" && len(text.Addresses()) == 0 {
		out = append(out, "mdm "+managers+"\n"...)
	}
	if string(out) == string(data) {
		return nil
	}
	return files.Write(scaleio.PathDrvCfgText, out, 0o600)
}
