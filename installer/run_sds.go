package installer

import (
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
)

// runSDS leaves an SDS alone that a person put into maintenance.
func runSDS(o *orders) step.Step {
	s := newRunUnit(o, "run-sds", scaleio.UnitSDS, time.Minute, listens(o.sys.Network, scaleio.PortSDS))
	s.spared = func() (string, bool) {
		if o.Storage == nil || o.Storage.SDS == nil || !o.Storage.SDS.InMaint || o.Storage.Ours { // ours ends when it runs again
			return "", false
		}
		return "its SDS " + o.Storage.SDS.Name + " is in maintenance mode; end that to have it started", true
	}
	return s
}
