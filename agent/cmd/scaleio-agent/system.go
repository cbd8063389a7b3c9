package main

import (
	"context"
	"log/slog"
	"time"

	"scaleio-framework/agent"
	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/platform/archive"
	"scaleio-framework/platform/block"
	"scaleio-framework/platform/fetch"
	"scaleio-framework/platform/pkgmgr"
	"scaleio-framework/platform/preflight"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

var (
	_ installer.Files     = (*platform.Files)(nil)
	_ installer.Commands  = platform.Runner{}
	_ installer.Network   = platform.Network{}
	_ installer.Preflight = (*preflight.Here)(nil)
	_ installer.Units     = (*systemd.Manager)(nil)
	_ installer.Jobs      = (*systemd.Manager)(nil)
	_ installer.Download  = (*fetch.Fetcher)(nil)
	_ installer.Reboots   = systemd.Logind{}
	_ installer.Archives  = archive.Tars{}
)

// system is the real machine. Constructing it starts nothing and connects to nobody.
func system(facts platform.Facts, log *slog.Logger, cloud installer.Cloud) installer.System {
	files, units := platform.NewFiles("/"), systemd.New()
	run := func(ctx context.Context, job pkgmgr.Job) error {
		return units.RunJob(ctx, systemd.Job{Name: job.Name, Argv: job.Argv, Env: job.Env, EnvFile: job.EnvFile, Timeout: job.Timeout})
	}
	return installer.System{
		Facts: facts, Files: files, Commands: platform.Runner{}, Packages: packages(facts, files, units, run, log), Units: units, Jobs: units, Download: &fetch.Fetcher{}, Archives: archive.Tars{Root: "/"},
		Disks: block.NewScanner("/", block.Options{Commands: platform.Runner{}, EBSModel: agent.EBSModel(files)}), Network: platform.Network{}, Reboots: systemd.Logind{}, Preflight: &preflight.Here{}, Cloud: cloud, Clock: time.Now,
	}
}

// noLeases is the rights of a node that belongs to no cluster.
type noLeases struct{}

func (noLeases) Left(api.LeaseName) (time.Duration, bool) { return 0, false }
func (noLeases) Want(api.LeaseName)                       {}
