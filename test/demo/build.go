package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/test/nodes"
)

// buildDir is where everything that is built goes; the demo runs in the
// repository's top directory.
const buildDir = "build"

// programs are built as static binaries: they run on this machine and in nodes.
var programs = []string{
	"./scheduler/cmd/scaleio-scheduler", "./agent/cmd/scaleio-agent",
	"./test/mesos/cmd/dev-mesos-master", "./test/mesos/cmd/dev-mesos-agent", "./test/scaleio/cmd/dev-scaleio",
	"./test/aws/cmd/dev-ec2",
}

// prepare installs and builds everything that a cluster needs; the nodes' root
// is fetched while the compiler works.
func prepare(ctx context.Context, kinds []nodes.Kind, log *slog.Logger) error {
	if err := setPath(); err != nil {
		return fmt.Errorf("setting the search path: %w", err)
	}
	if _, err := os.Stat("go.mod"); err != nil {
		return fmt.Errorf("looking for the repository: run this in its top directory: %w", err)
	}
	if err := installHostTools(ctx, log); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for _, kind := range slices.Compact(slices.Sorted(slices.Values(kinds))) {
			if _, err := nodes.BuildRoot(ctx, kind, log); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error { return build(ctx, log) })
	return group.Wait()
}

func build(ctx context.Context, log *slog.Logger) error {
	log.Info("building the two programs and the stand-ins", "dir", buildDir)
	static := []string{"CGO_ENABLED=0"}
	args := append([]string{"build", "-trimpath", "-o", buildDir + "/"}, programs...)
	if err := quietly(ctx, static, "go", args...); err != nil {
		return err
	}
	log.Info("making the stand-in ScaleIO packages", "dir", filepath.Join(buildDir, "mirror"))
	return quietly(ctx, static, "go", "run", "./test/scaleio/packages", "-out", filepath.Join(buildDir, "mirror"),
		"-binary", filepath.Join(buildDir, "dev-scaleio"), "-url", "http://"+nodes.MirrorAddress)
}
