//go:build nodes

package loopdisk_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
	"scaleio-framework/test/aws"
	"scaleio-framework/test/aws/control"
	"scaleio-framework/test/nodes"
)

func TestMain(m *testing.M) {
	nodes.RunHelper()
	os.Exit(m.Run())
}

const (
	name     = "ec2test"
	api      = nodes.Gateway + ":8773"
	metadata = nodes.Gateway + ":8169"
)

// stand is one node, and dev-ec2 in its network.
type stand struct {
	*nodes.Cluster
	*nodes.Node
	control.Client
	ec2      *ec2.Client
	instance aws.Instance
	binary   string
}

func newStand(t *testing.T) *stand {
	t.Helper()
	if os.Getuid() != 0 {
		machinetest.Lacks(t, "root")
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	if left, err := nodes.Load(name, log); err == nil {
		require.NoError(t, left.Close(t.Context()))
	}
	root, err := nodes.BuildRoot(t.Context(), nodes.Ubuntu, log)
	require.NoError(t, err)
	s := &stand{binary: filepath.Join(t.TempDir(), "dev-ec2")}
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.binary, "scaleio-framework/test/aws/cmd/dev-ec2").CombinedOutput()
	require.NoError(t, err, "%s", built)
	s.Cluster, err = nodes.Create(t.Context(), name, []nodes.Root{root}, log)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Cluster.Close(context.WithoutCancel(t.Context())))
		assert.Empty(t, loops(t), "nothing of it is left attached")
	})
	s.Node, err = s.AddNode(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Node.Start(t.Context()))
	s.startCloud(t)
	transport := &http.Transport{DialContext: s.Dial, DisableKeepAlives: true}
	s.Client = control.Client{URL: "http://" + api, HTTP: &http.Client{Transport: transport}}
	s.instance, err = s.AddInstance(t.Context(), aws.InstanceSpec{Machine: s.Node.Name, Address: s.Node.Address})
	require.NoError(t, err)
	keys, err := s.AddUser(t.Context(), "operator")
	require.NoError(t, err)
	s.ec2 = ec2.New(ec2.Options{Region: "eu-central-1", BaseEndpoint: sdk.String("http://" + api), HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKey, keys.Secret, "")})
	return s
}

func (s *stand) startCloud(t *testing.T) {
	t.Helper()
	p, err := s.Spawn("ec2", s.Dir(), nil, s.binary, "--cluster="+name, "--listen="+api, "--metadata="+metadata, "--state="+s.Cluster.Path("ec2.json"))
	require.NoError(t, err)
	require.NoError(t, s.WaitListening(t.Context(), p, api))
	require.NoError(t, s.WaitListening(t.Context(), p, metadata))
}

// loops are the images of this cluster that have a device.
func loops(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	require.NoError(t, err)
	var found []string
	for _, file := range files {
		if image, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(image), nodes.StateDir+"/"+name+"/") {
			found = append(found, strings.TrimSpace(string(image)))
		}
	}
	return found
}

func (s *stand) volume(t *testing.T, id string) types.Volume {
	t.Helper()
	out, err := s.ec2.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{Filters: []types.Filter{{Name: sdk.String("volume-id"), Values: []string{id}}}})
	require.NoError(t, err)
	if len(out.Volumes) == 0 {
		return types.Volume{}
	}
	return out.Volumes[0]
}

// await looks until it is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	require.Eventually(t, so, 30*time.Second, 100*time.Millisecond, what)
}

func (s *stand) attachment(t *testing.T, id string) types.VolumeAttachmentState {
	v := s.volume(t, id)
	if len(v.Attachments) == 0 {
		return ""
	}
	return v.Attachments[0].State
}

func (s *stand) on(t *testing.T, argv ...string) string {
	t.Helper()
	said, err := s.Output(t.Context(), argv...)
	require.NoError(t, err)
	return strings.TrimSpace(said)
}

func (s *stand) attach(t *testing.T, id, device string) {
	t.Helper()
	_, err := s.ec2.AttachVolume(t.Context(), &ec2.AttachVolumeInput{VolumeId: sdk.String(id), InstanceId: sdk.String(s.instance.ID), Device: sdk.String(device)})
	require.NoError(t, err)
	await(t, "it to be attached", func() bool { return s.attachment(t, id) == types.VolumeAttachmentStateAttached })
}

func (s *stand) detach(t *testing.T, id string) {
	t.Helper()
	_, err := s.ec2.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: sdk.String(id)})
	require.NoError(t, err)
}

// One volume's life: it comes to a node that runs, is there after a reboot and after the cloud was restarted, can't be taken while it is mounted, and keeps its data when it comes back
// under another name.
func TestVolumeOnANode(t *testing.T) {
	s := newStand(t)
	made, err := s.ec2.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: sdk.String(s.instance.Zone), Size: sdk.Int32(120), VolumeType: types.VolumeTypeGp3})
	require.NoError(t, err)
	id := *made.VolumeId
	await(t, "it to be available", func() bool { return s.volume(t, id).State == types.VolumeStateAvailable })
	s.attach(t, id, "/dev/xvdba")
	assert.Equal(t, "128849018880", s.on(t, "blockdev", "--getsize64", "/dev/xvdba"))
	s.on(t, "mkfs.ext4", "-q", "-L", "precious", "/dev/xvdba")

	require.NoError(t, s.KillProcess(t.Context(), "ec2"))
	require.NoError(t, s.Reboot(t.Context()))
	s.startCloud(t)
	assert.Equal(t, types.VolumeAttachmentStateAttached, s.attachment(t, id))
	s.on(t, "mount", "/dev/xvdba", "/mnt")
	s.detach(t, id)
	await(t, "the cloud to see that it is in use", func() bool { return s.attachment(t, id) == types.VolumeAttachmentStateBusy })
	s.on(t, "umount", "/mnt")
	await(t, "it to be available", func() bool { return s.volume(t, id).State == types.VolumeStateAvailable })
	gone, err := s.Run(t.Context(), "test", "-e", "/dev/xvdba")
	require.NoError(t, err)
	assert.NotZero(t, gone.Code)
	assert.Empty(t, loops(t))

	s.attach(t, id, "/dev/xvdbb")
	assert.Equal(t, "precious", s.on(t, "blkid", "-o", "value", "-s", "LABEL", "/dev/xvdbb"))
	s.detach(t, id)
	await(t, "it to be available", func() bool { return s.volume(t, id).State == types.VolumeStateAvailable })
	_, err = s.ec2.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: sdk.String(id)})
	require.NoError(t, err)
	await(t, "its end", func() bool { return s.volume(t, id).VolumeId == nil })
	images, err := filepath.Glob(filepath.Join(s.VolumesDir(), "*"))
	require.NoError(t, err)
	assert.Empty(t, images)

	token := s.on(t, "bash", "-c", `exec 3<>/dev/tcp/10.77.0.1/8169
printf 'PUT /latest/api/token HTTP/1.0\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n' >&3; cat <&3`)
	assert.Contains(t, token, "200 OK", "the metadata service knows the node by its address")
}
