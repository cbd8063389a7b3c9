package installer

import (
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
)

// runMDM waits for the cluster port: it opens right after installation, the management port only in a cluster.
func runMDM(o *orders) step.Step {
	return newRunUnit(o, "run-mdm", scaleio.UnitMDM, time.Minute, listens(o.sys.Network, scaleio.PortMDMCluster))
}
