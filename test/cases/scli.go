package cases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/creack/pty"

	"scaleio-framework/test/nodes"
)

// scli runs the stand-in's command line tool on the node whose MDM is master.
func (s *Stand) scli(ctx context.Context, args ...string) (string, error) {
	leader, err := s.Master(ctx)
	if err != nil {
		return "", err
	}
	argv := scliLine(args...)
	text, err := leader.Output(ctx, argv...)
	if err == nil || !strings.Contains(err.Error(), "Invalid session") {
		return text, err
	}
	if err := s.login(ctx, leader); err != nil {
		return "", err
	}
	return leader.Output(ctx, argv...)
}

// masterAt finds the master's address in what --query_cluster prints.
var masterAt = regexp.MustCompile(`(?s)Master MDM:.*?IP Addresses: ([0-9.]+)`)

// Master is the node whose MDM is master, as the MDMs say.
func (s *Stand) Master(ctx context.Context) (*nodes.Node, error) {
	var errs []error
	for _, node := range s.Nodes() {
		text, err := node.Output(ctx, scliLine("--query_cluster")...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		at := masterAt.FindStringSubmatch(text)
		for _, master := range s.Nodes() {
			if at != nil && master.Address == at[1] {
				return master, nil
			}
		}
		errs = append(errs, fmt.Errorf("%s names no master:\n%s", node.Name, text))
	}
	return nil, fmt.Errorf("looking for the master MDM: %w", errors.Join(errs...))
}

// scliLine gives scli a home of its own: the session there is not the product's.
func scliLine(args ...string) []string {
	return append([]string{"env", "HOME=/root", "scli", "--approve_certificate"}, args...)
}

// login answers scli's prompt at a terminal: it reads passwords nowhere else.
func (s *Stand) login(ctx context.Context, node *nodes.Node) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	password, err := os.ReadFile(s.secret("admin-password"))
	if err != nil {
		return fmt.Errorf("reading the admin's password: %w", err)
	}
	line, err := node.Shell(scliLine("--login", "--username", "admin")...)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	terminal, err := pty.Start(cmd)
	if err != nil {
		return fmt.Errorf("logging in on %s: %w", node.Name, err)
	}
	defer terminal.Close()
	shown := make([]byte, 0, 4096)
	for asked := false; ; {
		n, err := terminal.Read(shown[len(shown):cap(shown)])
		shown = shown[:len(shown)+n]
		if err != nil || len(shown) == cap(shown) { // EIO: the other end was closed
			break
		}
		if !asked && strings.Contains(strings.ToLower(string(shown)), "password") {
			asked = true
			if _, err := fmt.Fprintf(terminal, "%s\n", password); err != nil {
				return fmt.Errorf("logging in on %s: %w", node.Name, err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("logging in on %s: %w: %s", node.Name, err, shown)
	}
	return nil
}

// Quorum fails unless the MDM itself says that it is a healthy cluster of three.
func (s *Stand) Quorum(ctx context.Context) error {
	text, err := s.scli(ctx, "--query_cluster")
	if err != nil {
		return err
	}
	for _, want := range []string{"Mode: 3_node", "State: Normal", "Active: 3/3", "Replicas: 2/2"} {
		if !strings.Contains(text, want) {
			return fmt.Errorf("scli --query_cluster doesn't say %q:\n%s", want, text)
		}
	}
	return nil
}

// whole is what --query_all says of data that has both copies where they belong.
var whole = []string{"0 Bytes failed capacity", "0 Bytes degraded-failed capacity", "0 Bytes degraded-healthy capacity"}

// TwoGoodCopies fails while an SDS is away or some data lacks a copy.
func (s *Stand) TwoGoodCopies(ctx context.Context) error {
	text, err := s.scli(ctx, "--query_all")
	if err != nil {
		return err
	}
	for _, want := range append(slices.Clone(whole), fmt.Sprintf("%d SDS nodes have connection state 'Connected'", len(s.Nodes()))) {
		if !strings.Contains(text, want) {
			return fmt.Errorf("scli --query_all doesn't say %q:\n%s", want, text)
		}
	}
	return nil
}

// WaitQuorum waits for Quorum.
func (s *Stand) WaitQuorum(ctx context.Context) error { return Eventually(ctx, s.Quorum) }

// devicesOf lists the paths of the devices that the node's SDS gave to the pool.
func (s *Stand) devicesOf(ctx context.Context, node *nodes.Node) ([]string, error) {
	text, err := s.scli(ctx, "--query_sds", "--sds_ip", node.Address)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, match := range regexp.MustCompile(`Path: (\S+)\s`).FindAllStringSubmatch(text, -1) {
		paths = append(paths, match[1])
	}
	return paths, nil
}

// FaultSets fails unless each node's SDS is in the fault set of its own failure
// domain.
func (s *Stand) FaultSets(ctx context.Context) error {
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	var errs []error
	var sets []string
	for _, node := range status.Nodes {
		switch {
		case node.FaultDomain == "":
			errs = append(errs, fmt.Errorf("%s has no failure domain", node.Name))
		case node.SDS == nil || node.SDS.FaultSet == "":
			errs = append(errs, fmt.Errorf("the SDS of %s is in no fault set", node.Name))
		case slices.Contains(sets, node.SDS.FaultSet):
			errs = append(errs, fmt.Errorf("the fault set %s spans failure domains", node.SDS.FaultSet))
		case !strings.Contains(node.SDS.FaultSet, node.FaultDomain):
			errs = append(errs, fmt.Errorf("the SDS of %s is in the fault set %s, its failure domain is %s", node.Name, node.SDS.FaultSet, node.FaultDomain))
		default:
			sets = append(sets, node.SDS.FaultSet)
		}
	}
	return errors.Join(errs...)
}
