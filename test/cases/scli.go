package cases

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"scaleio-framework/test/nodes"
)

// scli runs the stand-in's command line tool on the node whose MDM is master,
// which needs no login to look.
func (s *Stand) scli(ctx context.Context, args ...string) (string, error) {
	status, err := s.Status(ctx)
	if err != nil {
		return "", err
	}
	var leader *nodes.Node
	for _, node := range status.Nodes {
		if node.Name == status.Leader {
			leader = s.Node(node.Hostname)
		}
	}
	if leader == nil {
		return "", fmt.Errorf("running scli: no node is the leader (%q)", status.Leader)
	}
	return leader.Output(ctx, append([]string{"scli"}, args...)...)
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
