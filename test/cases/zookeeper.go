package cases

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"

	"scaleio-framework/test/nodes"
	"scaleio-framework/test/zookeeper"
)

// another host's address, where a scheduler can be moved to.
const elsewhere = "10.77.0.2"

// StartZooKeeper starts one real server in the cluster's network, and makes the secrets for the state in it.
func (s *Stand) StartZooKeeper(ctx context.Context) error {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails since Go 1.24
	for name, value := range map[string]string{"zk-auth": "scaleio:" + rand.Text(), "state-key": hex.EncodeToString(key)} {
		if err := s.writeSecret(name, value); err != nil {
			return err
		}
	}
	all := zookeeper.Layout(s.Path("zookeeper"), nodes.Gateway, 2181, 1)
	argv, err := all[0].Prepare(all)
	if err != nil {
		return err
	}
	if _, err := s.Spawn("zookeeper", all[0].Dir, []string{"PATH=" + os.Getenv("PATH")}, argv...); err != nil {
		return err
	}
	return Eventually(ctx, func(ctx context.Context) error { return all[0].Serves(ctx, s.Dial) })
}

// StateInZooKeeper are the scheduler's flags for it.
func (s *Stand) StateInZooKeeper() []string {
	return []string{"--state", fmt.Sprintf("zk://%s:2181/scaleio", nodes.Gateway), "--zk-auth-file", s.secret("zk-auth"), "--state-key-file", s.secret("state-key"), "--zk-session", "4s"}
}

// StartSchedulerElsewhere starts it as on another host: another address and port, and an empty state directory.
func (s *Stand) StartSchedulerElsewhere(ctx context.Context, args ...string) error {
	if err := s.AddAddress(ctx, elsewhere); err != nil {
		return err
	}
	const address = elsewhere + ":9553"
	scheduler, err := s.Spawn("scheduler", s.sandbox(), []string{"HOST=" + elsewhere, "PORT0=9553"},
		append([]string{"./scaleio-scheduler", "run", "--config", "scheduler.yaml", "--listen", address, "--public-urls", "https://" + address, "--state-dir", s.Path("state-elsewhere")}, args...)...)
	if err != nil {
		return err
	}
	s.scheduler = address
	return s.WaitListening(ctx, scheduler, address)
}
