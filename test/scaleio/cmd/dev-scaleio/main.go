// Command dev-scaleio is every stand-in of ScaleIO in one static binary. The packages install it under the product's names; which
// part it plays is the name that it is called by, or its first argument.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"scaleio-framework/test/scaleio/dvdcli"
	"scaleio-framework/test/scaleio/gateway"
	"scaleio-framework/test/scaleio/mdm"
	"scaleio-framework/test/scaleio/rexray"
	"scaleio-framework/test/scaleio/scli"
	"scaleio-framework/test/scaleio/sdc"
	"scaleio-framework/test/scaleio/sds"
)

var programs = map[string]func(args []string) int{
	"mdm":     mdm.Main,
	"scli":    scli.Main,
	"gateway": gateway.Main,
	"sds":     sds.Main,
	"scini":   sdc.MainScini,
	"drv_cfg": sdc.MainDrvCfg,
	"rexray":  rexray.Main,
	"dvdcli":  dvdcli.Main,
}

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	program, ok := programs[name]
	if !ok && len(args) > 0 {
		program, ok = programs[args[0]]
		args = args[1:]
	}
	if !ok {
		fmt.Fprintln(os.Stderr, "dev-scaleio: stand-in for the ScaleIO daemons and tools, for tests; not the vendor's software")
		fmt.Fprintln(os.Stderr, "usage: dev-scaleio mdm|scli|gateway|sds|scini|drv_cfg|rexray|dvdcli ...")
		os.Exit(2)
	}
	os.Exit(program(args))
}
