// Command brokenagent is an agent that passes for one until it runs: it ends at once, or it runs and its node never is Ready. How is set by the linker.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"scaleio-framework/systemd"
)

// how it is broken: exits | hangs.
var how = "exits"

func main() {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "unit":
		fmt.Print(systemd.AgentUnitText)
	case how == "hangs":
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
		for range time.Tick(10 * time.Second) {
			_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
		}
	default:
		os.Exit(1)
	}
}
