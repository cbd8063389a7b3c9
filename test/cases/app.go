package cases

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"scaleio-framework/test/nodes"
)

// Where the scheduler is, inside the cluster's network.
const (
	schedulerPort    = "9443"
	schedulerAddress = nodes.Gateway + ":" + schedulerPort
	agentURL         = "http://" + nodes.MirrorAddress + "/bin/scaleio-agent"
)

// writeApp lays out the sandbox that Marathon would make from the app definition
// in packaging/marathon: the binary, the configuration, and secrets beside it.
func (s *Stand) writeApp(config Config) error {
	for _, name := range []string{"admin-password", "operator-token", "read-token"} {
		// The product wants 3 of: lower case, upper case, digit, special.
		if err := s.writeSecret(name, "Sio1-"+rand.Text()); err != nil {
			return err
		}
	}
	if err := copyInto(filepath.Join(config.Build, "scaleio-scheduler"), s.sandbox()); err != nil {
		return err
	}
	if err := copyInto(s.Path("mirror/manifest.json"), s.sandbox()); err != nil {
		return err
	}
	agent, err := digestOf(s.Path("mirror/bin/scaleio-agent"))
	if err != nil {
		return err
	}
	settings := map[string]any{
		"mesos-masters":          "http://" + masterAddress,
		"mesos-principal":        principal,
		"mesos-secret-file":      s.secret("mesos-secret"),
		"public-urls":            "https://" + schedulerAddress,
		"state-dir":              s.Path("state"),
		"cluster-name":           config.Name,
		"accept-license":         true,
		"admin-password-file":    s.secret("admin-password"),
		"operator-token-file":    s.secret("operator-token"),
		"read-token-file":        s.secret("read-token"),
		"manifest":               filepath.Join(s.sandbox(), "manifest.json"),
		"agent-url":              agentURL,
		"agent-sha256":           agent,
		"fault-domain-attribute": "rack",
		"disks-use":              "all-empty",
		"disks-allow-types":      "loop", // the nodes' disks are files of this machine
	}
	if slices.Contains(config.Kinds, nodes.Flatcar) { // with three nodes one of them has to be the tie-breaker
		settings["allow-unsupported"] = true
	}
	maps.Copy(settings, config.Scheduler)
	if config.Cloud {
		if err := s.writePrices(); err != nil {
			return fmt.Errorf("writing prices: %w", err)
		}
	}
	text, err := yaml.Marshal(settings)
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.sandbox(), "scheduler.yaml"), text, 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

func (s *Stand) sandbox() string { return s.Path("sandbox") }

// StartScheduler starts the app's one instance with Marathon's environment, and
// returns once it listens.
func (s *Stand) StartScheduler(ctx context.Context, args ...string) error {
	env := []string{
		"HOST=" + nodes.Gateway, "PORT=" + schedulerPort, "PORT0=" + schedulerPort, "PORTS=" + schedulerPort,
		"MESOS_SANDBOX=" + s.sandbox(), "MARATHON_APP_ID=/scaleio",
	}
	scheduler, err := s.Spawn("scheduler", s.sandbox(), env, append([]string{"./scaleio-scheduler", "run", "--config", "scheduler.yaml"}, args...)...)
	if err != nil {
		return err
	}
	return s.WaitListening(ctx, scheduler, schedulerAddress)
}
