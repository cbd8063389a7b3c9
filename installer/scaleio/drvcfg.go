package scaleio

import (
	"context"
	"errors"
	"fmt"

	"scaleio-framework/platform"
)

// DrvCfg is the SDC's tool on this node. It needs root and no session.
type DrvCfg struct {
	Commands Commands
	Path     string // PathDrvCfg or PathDrvCfgOld, whichever is there
	File     string // PathDrvCfgText or PathDrvCfgTextOld: without it a change is lost at the next boot
}

// GUID of this node's SDC; fails while the driver isn't loaded.
func (d DrvCfg) GUID(ctx context.Context) (string, error) {
	out, err := d.run(ctx, "--query_guid")
	if err != nil {
		return "", err
	}
	return ParseDrvCfgGUID(out)
}

// MDMs that this node's SDC was pointed at, one entry per system.
func (d DrvCfg) MDMs(ctx context.Context) ([]KnownMDM, error) {
	out, err := d.run(ctx, "--query_mdms")
	if err != nil {
		return nil, err
	}
	return ParseDrvCfgMDMs(out)
}

// AddMDM points the SDC at a system.
func (d DrvCfg) AddMDM(ctx context.Context, ips []string) error {
	_, err := d.run(ctx, "--add_mdm", "--ip", list(ips), "--file", d.File)
	return err
}

// ModifyMDM changes the addresses of the system that has the address old, online.
func (d DrvCfg) ModifyMDM(ctx context.Context, old string, ips []string) error {
	_, err := d.run(ctx, "--mod_mdm_ip", "--ip", old, "--new_mdm_ip", list(ips), "--file", d.File)
	return err
}

// Rescan looks for volumes that were mapped just now.
func (d DrvCfg) Rescan(ctx context.Context) error {
	_, err := d.run(ctx, "--rescan")
	return err
}

func (d DrvCfg) run(ctx context.Context, args ...string) (string, error) {
	out, err := d.Commands.Run(ctx, platform.Cmd{Path: d.Path, Args: args, Timeout: CallTimeout})
	if err == nil {
		return string(out.Stdout), nil
	}
	var exit *platform.ExitError
	if errors.As(err, &exit) {
		return "", commandError("drv_cfg "+args[0], exit.Code, exit.Stdout, exit.Stderr)
	}
	return "", fmt.Errorf("running drv_cfg %s: %w", args[0], err)
}
