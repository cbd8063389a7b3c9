package cases

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"scaleio-framework/test/nodes"
)

// ListNewer does what an operator does who has newer packages: they come onto the mirror, the manifest names them, and the scheduler is started again.
func (s *Stand) ListNewer(ctx context.Context, version, build string) error {
	const folder = "newer"
	out := s.Path("mirror", folder)
	cmd := exec.CommandContext(ctx, "go", "run", "scaleio-framework/test/scaleio/packages", "-version", version, "-out", out,
		"-binary", filepath.Join(build, "dev-scaleio"), "-url", "http://"+nodes.MirrorAddress+"/"+folder)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building packages of %s: %w: %s", version, err, said)
	}
	if err := s.KillProcess(ctx, "scheduler"); err != nil {
		return err
	}
	if err := copyInto(filepath.Join(out, "manifest.json"), s.sandbox()); err != nil {
		return err
	}
	return s.StartScheduler(ctx)
}
