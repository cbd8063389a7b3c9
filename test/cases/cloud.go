package cases

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"scaleio-framework/test/aws"
	"scaleio-framework/test/aws/control"
	"scaleio-framework/test/aws/iam"
	"scaleio-framework/test/nodes"
)

// Where the stand-in cloud is, inside the cluster's network.
const (
	ec2Address      = nodes.Gateway + ":8773"
	metadataAddress = nodes.Gateway + ":8169"
	// EC2Endpoint is what the scheduler's growth-endpoint says.
	EC2Endpoint = "http://" + ec2Address
)

const clusterTag = "scaleio-framework/cluster"

// zones that nodes are in, one after the other.
const zones = "abc"

// StartCloud starts the stand-in for EC2, for the first time or again: it forgets nothing. Nodes aren't instances yet.
func (s *Stand) StartCloud(ctx context.Context, build string) error {
	binary := s.Path("bin/dev-ec2")
	_, err := os.Stat(binary)
	first := errors.Is(err, fs.ErrNotExist)
	if first {
		if err := copyInto(filepath.Join(build, "dev-ec2"), s.Path("bin")); err != nil {
			return err
		}
	}
	cloud, err := s.Spawn("ec2", s.Dir(), nil, binary, "--cluster="+s.Name, "--listen="+ec2Address, "--metadata="+metadataAddress, "--state="+s.Path("ec2.json"))
	if err != nil {
		return err
	}
	err = errors.Join(s.WaitListening(ctx, cloud, ec2Address), s.WaitListening(ctx, cloud, metadataAddress))
	if err == nil && first {
		err = errors.Join(s.Cloud().SetPolicies(ctx, "node"), s.Cloud().SetPolicies(ctx, "cleanup")) // none: both roles may do nothing yet
	}
	return err
}

// Cloud steers it.
func (s *Stand) Cloud() control.Client {
	return control.Client{URL: EC2Endpoint, HTTP: &http.Client{Transport: &http.Transport{DialContext: s.Dial, DisableKeepAlives: true}}}
}

// launch makes a node an instance: the agent on it must be told where its metadata service is, which on EC2 it knows. Nothing may be bought with the
// instance's role until AdmitToCloud.
func (s *Stand) launch(ctx context.Context, node *nodes.Node, index int) error {
	cloud := s.Cloud()
	instance, err := cloud.AddInstance(ctx, aws.InstanceSpec{Machine: node.Name, Address: node.Address, Zone: "eu-central-1" + zones[index%len(zones):][:1], Role: "node"})
	if err != nil {
		return err
	}
	s.log.Info("the node is an instance", "node", node.Name, "instance", instance.ID, "zone", instance.Zone)
	return node.WriteFile("/etc/scaleio-agent/agent.yaml", []byte("metadataEndpoint: http://"+metadataAddress+"\n"), 0o644)
}

// AdmitToCloud does what packaging/iam asks of an operator once the cluster's UUID is known: the instances get its tag, their role the policy for nodes, and a user for
// cleaning up that for it. It returns that user's credentials file.
func (s *Stand) AdmitToCloud(ctx context.Context, cluster, packaging string) (credentials []byte, err error) {
	cloud := s.Cloud()
	instances, err := cloud.Instances(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range instances {
		if err := cloud.TagInstance(ctx, i.ID, map[string]string{clusterTag: cluster}); err != nil {
			return nil, err
		}
	}
	for _, role := range []string{"node", "cleanup"} {
		document, err := os.ReadFile(filepath.Join(packaging, "iam", role+".json"))
		if err != nil {
			return nil, fmt.Errorf("reading a policy: %w", err)
		}
		policy, err := iam.Parse([]byte(strings.ReplaceAll(string(document), "CLUSTER_UUID", cluster)))
		if err != nil {
			return nil, err
		}
		if err := cloud.SetPolicies(ctx, role, policy); err != nil {
			return nil, err
		}
	}
	keys, err := cloud.AddUser(ctx, "cleanup")
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", keys.AccessKey, keys.Secret), nil
}
