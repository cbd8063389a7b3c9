// Command prepare installs and builds what the tests in virtual machines need: tools of this machine, the image with its kernels and
// the module built for them, and the programs that go in.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"scaleio-framework/test/vm"
)

// buildDir is where the tests look for what goes into the machine; this runs in the repository's top directory.
const buildDir = "build/vm/"

var programs = []string{"./agent/cmd/scaleio-agent", "./test/vm/guest"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := prepare(ctx, log); err != nil {
		log.Error("preparing for virtual machines failed", "err", err)
		stop()
		os.Exit(1)
	}
}

func prepare(ctx context.Context, log *slog.Logger) error {
	if _, err := os.Stat("go.mod"); err != nil {
		return fmt.Errorf("looking for the repository: run this in its top directory: %w", err)
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			return fmt.Errorf("this needs root: debootstrap makes the machine's root")
		}
		log.Warn("without root nothing is prepared: the tests in virtual machines will be skipped")
		return nil
	}
	if err := vm.InstallTools(ctx, log); err != nil {
		return err
	}
	log.Info("building the programs that go into the machine", "dir", buildDir)
	if err := build(ctx); err != nil {
		return err
	}
	unlock, err := vm.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = vm.BuildImage(ctx, log)
	return err
}

func build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-o", buildDir}, programs...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building %v: %w", programs, err)
	}
	return nil
}
