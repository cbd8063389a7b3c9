package cases

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"scaleio-framework/test/nodes"
)

// Where Mesos is. Its name is in the nodes' hosts files.
const (
	masterAddress = nodes.Gateway + ":5050"
	principal     = "scaleio"
)

// startMaster runs the dev master with two principals: the product, and a user.
func (s *Stand) startMaster(ctx context.Context, build string) error {
	framework, user := rand.Text(), rand.Text()
	for name, secret := range map[string]string{
		"mesos-secret": framework, "user-secret": user,
		"mesos-credentials": principal + " " + framework + "\n" + userPrincipal + " " + user,
	} {
		if err := s.writeSecret(name, secret); err != nil {
			return err
		}
	}
	if err := copyInto(filepath.Join(build, "dev-mesos-master"), s.Path("bin")); err != nil {
		return err
	}
	return s.StartMaster(ctx)
}

// StartMaster starts the Mesos master, for the first time or again.
func (s *Stand) StartMaster(ctx context.Context) error {
	master, err := s.Spawn("mesos-master", s.Dir(), nil, s.Path("bin/dev-mesos-master"),
		"--ip="+nodes.Gateway, "--port=5050", "--credentials="+s.secret("mesos-credentials"))
	if err != nil {
		return err
	}
	return s.WaitListening(ctx, master, masterAddress)
}

// mesosAgentUnit is as a careful operator writes it: KillMode=process keeps the
// tasks over a restart of the agent, Delegate gives it cgroups to put them in.
const mesosAgentUnit = `[Unit]
Description=Mesos agent (stand-in)
Wants=network.target
After=network.target

[Service]
ExecStart=%s
Restart=always
RestartSec=1
LimitNOFILE=infinity
Delegate=yes
KillMode=process

[Install]
WantedBy=multi-user.target
`

// AddMesosAgent makes a running node, which had none, a Mesos agent.
func (s *Stand) AddMesosAgent(ctx context.Context, node *nodes.Node, build string) error {
	if err := installMesosAgent(node, slices.Index(s.Nodes(), node), build); err != nil {
		return err
	}
	_, err := node.Output(ctx, "systemctl", "enable", "--now", "mesos-agent.service")
	return err
}

// installMesosAgent puts the dev agent on a node, as a package would: a unit,
// and a directory with one file per flag.
func installMesosAgent(node *nodes.Node, index int, build string) error {
	binary, err := os.ReadFile(filepath.Join(build, "dev-mesos-agent"))
	if err != nil {
		return fmt.Errorf("installing the Mesos agent on %s: %w", node.Name, err)
	}
	place := "/usr/sbin/mesos-agent"
	if node.Kind == nodes.Flatcar { // there /usr is the system's alone; the agent is one static binary
		place = "/opt/mesos/bin/mesos-agent"
	}
	if err := node.WriteFile(place, binary, 0o755); err != nil {
		return err
	}
	for flag, value := range map[string]string{
		"master":     masterAddress,
		"ip":         node.Address,
		"hostname":   node.Name,
		"work_dir":   "/var/lib/mesos",
		"attributes": fmt.Sprintf("rack:r%d", index+1),
		"resources":  "cpus:4;mem:16384;disk:65536;ports:[31000-32000]",
		"isolation":  "cgroups/cpu,cgroups/mem",
	} {
		if err := node.WriteFile("/etc/mesos-agent/"+flag, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
	}
	return node.WriteFile("/etc/systemd/system/mesos-agent.service", []byte(fmt.Sprintf(mesosAgentUnit, place)), 0o644)
}

// secret is the path of one of the operator's secrets.
func (s *Stand) secret(name string) string { return s.Path("secrets", name) }

func (s *Stand) writeSecret(name, value string) error {
	if err := os.MkdirAll(s.Path("secrets"), 0o700); err != nil {
		return fmt.Errorf("writing the secret %s: %w", name, err)
	}
	if err := os.WriteFile(s.secret(name), []byte(value), 0o600); err != nil {
		return fmt.Errorf("writing the secret %s: %w", name, err)
	}
	return nil
}
