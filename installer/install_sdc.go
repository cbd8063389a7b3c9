package installer

import (
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
)

func installSDC(o *orders) step.Step { return newInstallPackage(o, scaleio.SDC) }
