package zookeeper

import (
	"context"
	"errors"
	"fmt"
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
	for name, text := range map[string]string{"zoo.cfg": strings.Join(lines, "\n"), "data/myid": fmt.Sprint(s.ID), "log4j.properties": log4j} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("preparing ZooKeeper: %w", err)
		}
	}
	return []string{"java", "-Xmx96m", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j.configuration=file:" + filepath.Join(s.Dir, "log4j.properties"),
		"-Dreadonlymode.enabled=true", "-cp", s.Dir + ":" + jar, // its manifest names the others
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(s.Dir, "zoo.cfg")}, nil
}

const log4j = `log4j.rootLogger=INFO, OUT
log4j.appender.OUT=org.apache.log4j.ConsoleAppender
log4j.appender.OUT.layout=org.apache.log4j.PatternLayout
log4j.appender.OUT.layout.ConversionPattern=%d %p %c{1} %m%n`

func split(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		_, err = fmt.Sscan(text, &port)
	}
	return host, port, err
}

// Serves asks a server whether it takes clients: "srvr" is answered in words; in a server without a majority by an apology.
func (s Server) Serves(ctx context.Context, dial func(ctx context.Context, network, address string) (net.Conn, error)) error {
	conn, err := dial(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := conn.Write([]byte("srvr")); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	if err != nil {
		return err
	}
	if !strings.Contains(string(answer[:n]), "Mode: ") || strings.Contains(string(answer[:n]), "read-only") {
		return errors.New(strings.TrimSpace(string(answer[:n])))
	}
	return nil
}
