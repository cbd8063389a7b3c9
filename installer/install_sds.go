package installer

import (
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
)

func installSDS(o *orders) step.Step { return newInstallPackage(o, scaleio.SDS) }
