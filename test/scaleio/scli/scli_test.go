package scli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/scaleiotest"
	"scaleio-framework/test/scaleio/scli"
	"scaleio-framework/test/scaleio/scli/samples"
)

// The test binary is scli itself where a test needs a real process on a real terminal.
func TestMain(m *testing.M) {
	if os.Getenv("SCLI_CHILD") != "" {
		os.Exit(scli.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

type shell struct {
	t       *testing.T
	dir     string
	mdms    string
	answers []string // on the terminal
	prompts []string
	stdin   string

	compared []comparison
}

func (s *shell) ReadPassword(prompt string) (string, error) {
	s.prompts = append(s.prompts, prompt)
	if len(s.answers) == 0 {
		return "", io.EOF
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return answer, nil
}

func (s *shell) Close() error { return nil }

func (s *shell) run(line string) (code int, stdout, stderr string) {
	s.t.Helper()
	args := strings.Fields(line)
	if s.mdms != "" && !strings.Contains(line, "--mdm_ip") {
		args = append(args, "--mdm_ip", s.mdms)
	}
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	code = scli.Run(ctx, scli.Env{Args: args, Stdin: strings.NewReader(s.stdin), Stdout: &out, Stderr: &errs, Dir: s.dir,
		Terminal: func() (scli.Terminal, error) { return s, nil }})
	return code, out.String(), errs.String()
}

// ok expects success and exactly this on stdout; <id> stands for any id.
func (s *shell) ok(line, want string) {
	s.t.Helper()
	code, out, errs := s.run(line)
	require.Equal(s.t, []any{0, ""}, []any{code, errs}, line)
	assert.Equal(s.t, want, strings.TrimSuffix(normal(out), "\n"), line)
}

// refused expects the MDM's error in the product's form.
func (s *shell) refused(line, want string) {
	s.t.Helper()
	code, out, errs := s.run(line)
	assert.Equal(s.t, []any{7, "", "Error: MDM failed command.  Status: " + want + "\n"}, []any{code, out, errs}, line)
}

var normals = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\b(0x)?[0-9a-f]{16}\b`), "$1<id>"},
	{regexp.MustCompile(`127\.\d+\.\d+\.(\d+)`), "10.0.0.$1"},
	{regexp.MustCompile(`/\S+/disk\b`), "/dev/sdb"},
}

// normal leaves what differs from run to run out.
func normal(text string) string {
	for _, n := range normals {
		text = n.what.ReplaceAllString(text, n.as)
	}
	return text
}

// sample holds an output against a documented one. Entries that this cluster doesn't have are named by their beginnings.
func (s *shell) sample(name, line string, absent ...string) {
	s.t.Helper()
	code, out, errs := s.run(line)
	require.Equal(s.t, []any{0, ""}, []any{code, errs}, line)
	sample, err := samples.Read("testdata", name)
	require.NoError(s.t, err)
	printed := samples.Shape(out)
	require.Empty(s.t, samples.Differs(sample, printed), "%s\n%s", line, out)
	s.compared = append(s.compared, comparison{name, sample, printed, absent})
}

type comparison struct {
	name            string
	sample, printed samples.Text
	absent          []string
}

// everyLineCounts: each line of a sample, changed or left out, would have been missed.
func (c comparison) everyLineCounts(t *testing.T) {
	for i, l := range c.sample {
		if slices.ContainsFunc(c.absent, func(a string) bool { return strings.HasPrefix(l, a) }) {
			continue
		}
		changed := slices.Clone(c.sample)
		changed[i] += "#"
		assert.NotEmpty(t, samples.Differs(changed, c.printed), "%s: line %d isn't compared: %q", c.name, i+1, l)
		assert.NotEmpty(t, samples.Differs(slices.Delete(slices.Clone(c.sample), i, i+1), c.printed), "%s: line %d isn't compared: %q", c.name, i+1, l)
	}
}

// newShell is made before the MDMs: what it has to say at the end it says when they are gone and need no processor any more.
func newShell(t *testing.T) *shell {
	s := &shell{t: t, dir: t.TempDir()}
	t.Cleanup(func() {
		for _, c := range s.compared {
			c.everyLineCounts(t)
		}
	})
	return s
}

func (s *shell) login(password string) {
	s.t.Helper()
	s.answers = []string{password}
	s.ok("--login --username admin --approve_certificate", "Logged in. User role is SuperUser. System ID is <id>")
}

// From nothing to volumes, in the order in which an operator types it, with everything that goes wrong on the way.
func TestLifecycle(t *testing.T) {
	s, network := newShell(t), scaleiotest.NewNetwork()
	m := scaleiotest.MDMs(t, network, true, true, false)
	sdss := scaleiotest.SDSs(t, network, 3)
	s.mdms = m[0].IP

	s.refused("--query_cluster --approve_certificate", "The MDM cluster state is incorrect")
	s.refused("--query_cluster --approve_certificate --mdm_ip "+m[2].IP, "This MDM is not attached to a system.")
	s.ok("--create_mdm_cluster --master_mdm_ip "+m[0].IP+" --master_mdm_management_ip "+m[0].IP+" --master_mdm_name mdm1 --accept_license --approve_certificate",
		"Successfully created the MDM Cluster.")
	s.sample("query_cluster-1_node", "--query_cluster")
	s.refused("--query_all", "Invalid session. Please login and try again.")
	s.answers = []string{"wrong"}
	s.refused("--login --username admin", "Permission denied. Please check that you are using the correct user name, password and authentication method, and that you have permission to perform this action.")
	s.login("admin")
	s.refused("--query_all", "Password change required. Please change your password.")
	s.answers = []string{"admin", "short", "short"}
	s.refused("--set_password", "The password is too short. Please use a longer password.")
	s.prompts, s.answers = nil, []string{"admin", "Scaleio-1", "Scaleio-1"}
	s.ok("--set_password", "Password changed successfully.")
	assert.Equal(t, []string{"Enter old password: ", "Enter new password: ", "Confirm new password: "}, s.prompts)
	s.login("Scaleio-1")

	s.ok("--add_standby_mdm --new_mdm_ip "+m[1].IP+" --mdm_role manager --new_mdm_management_ip "+m[1].IP+" --new_mdm_name mdm2", "Successfully added a standby MDM. Object ID <id>")
	s.refused("--add_standby_mdm --new_mdm_ip "+m[2].IP+" --mdm_role manager --new_mdm_name tb1", "Wrong MDM role")
	s.ok("--add_standby_mdm --new_mdm_ip "+m[2].IP+" --mdm_role tb --new_mdm_name tb1", "Successfully added a standby MDM. Object ID <id>")
	s.refused("--query_all --approve_certificate --mdm_ip "+m[1].IP, "This command is not supported on the Standby MDM. Please use the Master MDM IP to access the cluster")
	s.ok("--switch_cluster_mode --cluster_mode 3_node --add_slave_mdm_name mdm2 --add_tb_name tb1", "Successfully switched the cluster mode.")
	s.refused("--switch_cluster_mode --cluster_mode 3_node --add_slave_mdm_name mdm2 --add_tb_name tb1", "The MDM is already in this cluster mode.")
	s.ok("--rename_system --new_name alpha", "Successfully renamed system to alpha")
	require.Eventually(t, func() bool { _, out, _ := s.run("--query_cluster"); return strings.Contains(out, "State: Normal") }, 10*time.Second, 10*time.Millisecond)
	s.sample("query_cluster-renamed", "--query_cluster")
	s.refused("--query_all --approve_certificate --mdm_ip "+m[1].IP, "This command is not supported on the Slave MDM. Please use the Master MDM IP to access the cluster")
	s.ok("--logout", "Logged out.")
	s.login("Scaleio-1")

	storageByCLI(t, s, sdss)
	failoverByCLI(t, s, m)
}

func storageByCLI(t *testing.T, s *shell, sdss []*scaleiotest.SDS) {
	t.Helper()
	s.sample("query_all_sds-none", "--query_all_sds")
	s.sample("query_properties-none", "--query_properties --object_type SDS --all_objects --preset ALL")
	s.ok("--add_protection_domain --protection_domain_name default", "Successfully created protection domain default. Object ID <id>")
	s.refused("--add_protection_domain --protection_domain_name default", "Protection Domain name already in use. Please try a different name.")
	s.refused("--add_storage_pool --protection_domain_name default --storage_pool_name sp1", "The media type is not configured")
	s.ok("--add_storage_pool --protection_domain_name default --storage_pool_name sp1 --media_type HDD", "Successfully created a storage pool sp1. Object ID <id>")
	s.ok("--modify_spare_policy --protection_domain_name default --storage_pool_name sp1 --spare_percentage 34 --i_am_sure", "Successfully modified spare policy")
	for i, sds := range sdss {
		n := string(rune('1' + i))
		s.ok("--add_fault_set --protection_domain_name default --fault_set_name fs"+n, "Successfully created fault set fs"+n+". Object ID <id>")
		s.ok("--add_sds --sds_ip "+sds.IP+" --sds_name sds"+n+" --protection_domain_name default --fault_set_name fs"+n, "Successfully created SDS sds"+n+". Object ID <id>")
		s.ok("--add_sds_device --sds_ip "+sds.IP+" --storage_pool_name sp1 --device_path "+sds.Disk, "Successfully added device /dev/sdb to SDS. New device ID: <id>")
	}
	s.refused("--modify_zero_padding_policy --protection_domain_name default --storage_pool_name sp1 --disable_zero_padding",
		"This operation is only allowed when there are no devices in the Storage Pool. Please remove all devices from the Storage Pool.")
	s.sample("query_all_volumes-none", "--query_all_volumes")
	s.ok("--add_volume --protection_domain_name default --storage_pool_name sp1 --size_gb 10 --volume_name volume1 --thin_provisioned",
		"Warning: Rounding up the volume size to 16 GB\nSuccessfully created volume of size 16 GB. Object ID <id>")
	s.ok("--add_volume --protection_domain_name default --storage_pool_name sp1 --size_gb 8 --volume_name volume2", "Successfully created volume of size 8 GB. Object ID <id>")
	s.ok("--add_sdc --sdc_guid 53023ec4-71c0-4e2f-a5a4-4d7c6c4f0001 --sdc_ip 127.0.0.21", "Successfully approved SDC. Object ID <id>")
	s.ok("--map_volume_to_sdc --volume_name volume1 --sdc_ip 127.0.0.21", "Successfully mapped volume with ID <id> to SDC with ID <id>.")
	s.refused("--map_volume_to_sdc --volume_name volume1 --sdc_ip 127.0.0.21", "The volume is already mapped to this SDC")
	s.stdin = "n\n"
	code, _, errs := s.run("--remove_volume --volume_name volume2")
	assert.Equal(t, []any{1, "Error: The operation was not confirmed\n"}, []any{code, errs})
	s.ok("--modify_volume_capacity --volume_name volume2 --size_gb 24", "Successfully modified volume size to 24 GB")
	s.sample("query_sds", "--query_sds --sds_name sds1")
	s.sample("query_properties-mdm", "--query_properties --object_type MDM --all_objects --preset ALL")
	s.ok("--unmap_volume_from_sdc --volume_name volume1 --all_sdc --i_am_sure", "Successfully un-mapped volume with ID <id> from SDC with ID <id>.")
	s.ok("--remove_volume --volume_name volume1 --i_am_sure", "Successfully removed volume ID <id>")
	s.refused("--query_volume --volume_name volume1", "Could not find the volume")
	_, out, _ := s.run("--add_user --username rexray --user_role FrontEndConfigure")
	assert.Regexp(t, `^User rexray was created\. .*'\S+'`, out)
}

func failoverByCLI(t *testing.T, s *shell, m []*scaleiotest.MDM) {
	t.Helper()
	m[0].Kill()
	s.mdms = m[0].IP + "," + m[1].IP
	require.Eventually(t, func() bool {
		_, out, _ := s.run("--query_cluster --mdm_ip " + m[1].IP + " --approve_certificate")
		return strings.Contains(out, "State: Degraded")
	}, 10*time.Second, 20*time.Millisecond)
	s.sample("query_cluster-slave_lost", "--query_cluster --mdm_ip "+m[1].IP)
	s.refused("--query_all", "Invalid session. Please login and try again.")
	s.login("Scaleio-1")
	code, out, errs := s.run("--query_all")
	assert.Equal(t, []any{0, ""}, []any{code, errs})
	assert.Contains(t, out, "Name:  alpha")
	code, _, errs = s.run("--query_cluster")
	assert.Equal(t, []any{1, "Error: Failed to connect to MDM " + s.mdms + ":6611\n"}, []any{code, errs}, "query_cluster takes no list")
	code, _, errs = s.run("--query_cluster --mdm_ip " + m[0].IP)
	assert.Equal(t, []any{1, "Error: Failed to connect to MDM " + m[0].IP + ":6611\n"}, []any{code, errs})
}

func TestUsage(t *testing.T) {
	for _, line := range []string{"", "--nonsense", "--login", "--add_volume --volume_name x", "--query_all --unknown 1", "--login --username"} {
		code, out, errs := (&shell{t: t, dir: t.TempDir()}).run(line)
		assert.Equal(t, []any{1, ""}, []any{code, errs}, line)
		assert.True(t, strings.HasPrefix(out, "Usage: scli"), line)
	}
}

// The password is read from the terminal alone, never echoed; standard input doesn't serve.
func TestLogin_terminal(t *testing.T) {
	m := scaleiotest.MDMs(t, scaleiotest.NewNetwork(), true)
	s := &shell{t: t, dir: t.TempDir(), mdms: m[0].IP}
	s.ok("--create_mdm_cluster --master_mdm_ip "+m[0].IP+" --accept_license --approve_certificate", "Successfully created the MDM Cluster.")
	home := t.TempDir()
	child := func() *exec.Cmd {
		c := exec.Command(os.Args[0], "--login", "--username", "admin", "--approve_certificate", "--mdm_ip", m[0].IP)
		c.Env = append(os.Environ(), "SCLI_CHILD=1", "HOME="+home)
		return c
	}
	c := child()
	terminal, err := pty.Start(c)
	require.NoError(t, err)
	defer terminal.Close()
	var said bytes.Buffer
	prompted := make(chan struct{})
	copied := make(chan error, 1)
	go func() {
		buffer := make([]byte, 256)
		waiting := prompted
		for {
			n, err := terminal.Read(buffer)
			said.Write(buffer[:n])
			if waiting != nil && strings.Contains(said.String(), "Enter password: ") {
				close(waiting)
				waiting = nil
			}
			if err != nil {
				copied <- err
				return
			}
		}
	}()
	select {
	case <-prompted:
	case <-time.After(10 * time.Second):
		t.Fatal("no prompt")
	}
	_, err = io.WriteString(terminal, "admin\n")
	require.NoError(t, err)
	require.NoError(t, c.Wait())
	<-copied
	assert.Contains(t, said.String(), "Logged in. User role is SuperUser.")
	assert.NotContains(t, strings.TrimPrefix(said.String(), "Enter password: "), "admin")

	piped := child()
	piped.Stdin = strings.NewReader("admin\n")
	piped.SysProcAttr = newSession()
	out, err := piped.CombinedOutput()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), string(out))
	assert.Equal(t, 1, exit.ExitCode())
}

// An MDM may be told to refuse passwords on command lines.
func TestLogin_argvRefused(t *testing.T) {
	m := scaleiotest.MDMs(t, scaleiotest.NewNetwork(), true)
	s := &shell{t: t, dir: t.TempDir(), mdms: m[0].IP}
	s.ok("--create_mdm_cluster --master_mdm_ip "+m[0].IP+" --accept_license --approve_certificate", "Successfully created the MDM Cluster.")
	s.ok("--login --username admin --password admin", "Logged in. User role is SuperUser. System ID is <id>")
	faults := filepath.Join(m[0].Root, "etc/scaleio-standin/faults.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(faults), 0o755))
	require.NoError(t, os.WriteFile(faults, []byte(`{"refuseArgvPassword":true,"calls":[{"id":"x","call":"set-password","effect":"busy","times":1},
		{"id":"y","call":"set-password","effect":"drop-answer","times":2}]}`), 0o644))
	s.refused("--login --username admin --password admin", "The usage of --password to login was disabled")
	s.login("admin")
	passwords := []string{"admin", "Scaleio-1", "Scaleio-1"}
	s.answers = passwords
	s.refused("--set_password", "The system is busy. Retry later")
	s.answers = passwords
	code, _, errs := s.run("--set_password")
	assert.Equal(t, []any{1, "Error: Connection to the MDM was lost before the command was answered\n"}, []any{code, errs})
	s.login("Scaleio-1") // it was done all the same
}
