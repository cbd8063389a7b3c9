package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Package that has to be installed, and where it puts what we start.
const (
	Package = "zookeeper"
	jar     = "/usr/share/java/zookeeper.jar"
)

// Tick of a server; sessions last 2 to 20 of them.
const Tick = 500 * time.Millisecond

// Installed says whether ZooKeeper and a Java to run it are here.
func Installed() error {
	if _, err := os.Stat(jar); err != nil {
		return fmt.Errorf("ZooKeeper (package %s) isn't installed: %w", Package, err)
	}
	if _, err := exec.LookPath("java"); err != nil {
		return fmt.Errorf("ZooKeeper needs Java: %w", err)
	}
	return nil
}

// A Server is one of an ensemble.
type Server struct {
	ID      int
	Address string // host:port for clients
	Dir     string
}

// Layout of an ensemble: addresses and directories, before anything runs. ip is where it listens, ports the first of three per server.
func Layout(dir, ip string, port, servers int) []Server {
	var all []Server
	for id := 1; id <= servers; id++ {
		all = append(all, Server{id, net.JoinHostPort(ip, fmt.Sprint(port+3*(id-1))), filepath.Join(dir, fmt.Sprintf("zk%d", id))})
	}
	return all
}

// Prepare a server's directory, and give the command that runs it in the foreground.
func (s Server) Prepare(all []Server, more ...string) ([]string, error) {
	if err := os.MkdirAll(filepath.Join(s.Dir, "data"), 0o700); err != nil {
		return nil, fmt.Errorf("preparing ZooKeeper: %w", err)
	}
	host, port, err := split(s.Address)
	if err != nil {
		return nil, err
	}
	lines := append([]string{
		fmt.Sprintf("tickTime=%d", Tick.Milliseconds()), "initLimit=20", "syncLimit=8", "dataDir=" + filepath.Join(s.Dir, "data"),
		"clientPortAddress=" + host, fmt.Sprintf("clientPort=%d", port), "admin.enableServer=false", "4lw.commands.whitelist=srvr,ruok", "maxClientCnxns=0",
	}, more...)
	for _, other := range all {
		if len(all) == 1 {
			break
		}
		host, port, err := split(other.Address)
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("server.%d=%s:%d:%d", other.ID, host, port+1, port+2))
	}
	for name, text := range map[string]string{"zoo.cfg": strings.Join(lines, "\n"), "data/myid": fmt.Sprint(s.ID)} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("preparing ZooKeeper: %w", err)
		}
	}
	return []string{"java", "-Xmx96m", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Dreadonlymode.enabled=true", "-cp", s.Dir + ":" + jar, // its manifest names the others
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(s.Dir, "zoo.cfg")}, nil
}

func split(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		_, err = fmt.Sscan(text, &port)
	}
	return host, port, err
}

// Serves fails unless the server takes clients: one without a majority is read-only, or says that it doesn't serve.
func (s Server) Serves(ctx context.Context, dial Dial) error {
	mode, err := s.Mode(ctx, dial)
	if err == nil && mode == "read-only" {
		err = errors.New("the server is alone and read-only")
	}
	return err
}

// Dial connects to a server.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Mode of a server: standalone, leader, follower or read-only.
func (s Server) Mode(ctx context.Context, dial Dial) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := dial(ctx, "tcp", s.Address)
	if err != nil {
		return "", fmt.Errorf("asking ZooKeeper: %w", err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", fmt.Errorf("asking ZooKeeper: %w", err)
	}
	if _, err := conn.Write([]byte("srvr")); err != nil {
		return "", fmt.Errorf("asking ZooKeeper: %w", err)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 4096))
	if err != nil {
		return "", fmt.Errorf("asking ZooKeeper: %w", err)
	}
	for line := range strings.Lines(string(answer)) {
		if mode, ok := strings.CutPrefix(strings.TrimSpace(line), "Mode: "); ok {
			return mode, nil
		}
	}
	return "", fmt.Errorf("asking ZooKeeper: %s", strings.TrimSpace(string(answer)))
}
