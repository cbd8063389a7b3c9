package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/block"
	"scaleio-framework/platform/fetch"
	"scaleio-framework/platform/pkgmgr"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

var (
	_ installer.Files    = (*platform.Files)(nil)
	_ installer.Commands = platform.Runner{}
	_ installer.Network  = platform.Network{}
	_ installer.Packages = (*pkgmgr.Deb)(nil)
	_ installer.Units    = (*systemd.Manager)(nil)
	_ installer.Jobs     = (*systemd.Manager)(nil)
	_ installer.Download = (*fetch.Fetcher)(nil)
)

// system is the real machine. Constructing it starts nothing and connects to nobody.
func system(facts platform.Facts, _ *slog.Logger) installer.System {
	files, units := platform.NewFiles("/"), systemd.New()
	packages := pkgmgr.NewDeb(platform.Runner{}, files, func(ctx context.Context, job pkgmgr.Job) error { return units.RunJob(ctx, systemd.Job(job)) })
	packages.MayRemove = func(name string) bool { return strings.HasPrefix(name, scaleio.DebName("")) }
	return installer.System{
		Facts: facts, Files: files, Commands: platform.Runner{}, Packages: packages, Units: units, Jobs: units, Download: &fetch.Fetcher{},
		Disks: block.NewScanner("/", block.Options{Commands: platform.Runner{}}), Network: platform.Network{}, Clock: time.Now,
	}
}

// noLeases is the rights of a node that belongs to no cluster.
type noLeases struct{}

func (noLeases) Left(api.LeaseName) (time.Duration, bool) { return 0, false }
func (noLeases) Want(api.LeaseName)                       {}
