package installer

import (
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
)

// installSDC tells the package's script where the managers are; it writes them to drv_cfg.txt beside a fresh GUID.
func installSDC(o *orders) step.Step {
	return newInstallPackage(o, scaleio.SDC, map[string]string{scaleio.EnvMDMIP: strings.Join(o.managers(), ",")})
}
