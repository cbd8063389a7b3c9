package installer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
)

// runScini looks further than the unit: it is active without a driver for the running kernel too, and then every map and mount fails.
func runScini(o *orders) step.Step {
	return newRunUnit(o, "run-scini", scaleio.UnitSDC, 30*time.Second, func(ctx context.Context) error {
		if _, _, err := o.sys.Files.Stat(scaleio.PathScini); err != nil {
			if errors.Is(err, platform.ErrNotFound) {
				return fmt.Errorf("there is no %s: no driver for kernel %s is loaded", scaleio.PathScini, o.sys.Facts.Kernel)
			}
			return err
		}
		_, err := drvCfg(o.sys.Files, o.sys.Commands).GUID(ctx)
		return err
	})
}

// drvCfg finds the SDC's tool and file where this version of the product has them.
func drvCfg(files Files, commands Commands) scaleio.DrvCfg {
	d := scaleio.DrvCfg{Commands: commands, Path: scaleio.PathDrvCfg, File: scaleio.PathDrvCfgText}
	if !exists(files, d.Path) && exists(files, scaleio.PathDrvCfgOld) {
		d.Path = scaleio.PathDrvCfgOld
	}
	if !exists(files, d.File) && exists(files, scaleio.PathDrvCfgTextOld) {
		d.File = scaleio.PathDrvCfgTextOld
	}
	return d
}

func exists(files Files, path string) bool {
	_, _, err := files.Stat(path)
	return err == nil
}
