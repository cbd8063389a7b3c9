package scaleio_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

const password = "S3cret-of-the-admin"

// TestMain lets the test's own binary play scli: run with FAKE_SCLI it does what that says and exits.
func TestMain(m *testing.M) {
	if mode := os.Getenv("FAKE_SCLI"); mode != "" {
		os.Exit(fakeSCLI(mode))
	}
	os.Exit(m.Run())
}

// fakeSCLI asks on /dev/tty, as scli does: what is on standard input is nothing to it.
func fakeSCLI(mode string) int {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error: no terminal")
		return 1
	}
	ask := func(prompt string) string {
		fmt.Fprint(tty, prompt)
		answer, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(tty)
		if err != nil {
			return "unreadable"
		}
		return string(answer)
	}
	refuse := func() int {
		fmt.Fprintln(os.Stderr, "Error: MDM failed command.  Status: Permission denied. Please check that you are using the correct user name, password and authentication method")
		return 7
	}
	switch mode {
	case "login":
		if ask("Enter password: ") != password {
			return refuse()
		}
		fmt.Println("Logged in. User role is SuperUser. System ID is 15040b171075dd81")
	case "change":
		if ask("Enter old password: ") != "admin" {
			return refuse()
		}
		if to := ask("Enter new password: "); to != password || ask("Confirm new password: ") != to {
			return refuse()
		}
		fmt.Println("Password changed successfully.")
	case "again":
		for range 3 {
			ask("Enter password: ")
		}
		return refuse()
	default:
		oddSCLI(mode, tty, ask)
		if mode == "leak" {
			return 7
		}
	}
	return 0
}

// oddSCLI does what the product wasn't seen to do.
func oddSCLI(mode string, tty *os.File, ask func(string) string) {
	switch mode {
	case "certificate":
		fmt.Print("Certificate info:\nsubject: /O=EMC\nPress 'y' to approve this certificate and add it to the truststore")
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Println("approved", line)
	case "novel":
		fmt.Fprint(tty, "Enter the second factor> ")
		_, _ = bufio.NewReader(tty).ReadString('\n')
	case "hang":
		fmt.Println("Connecting")
		_, _ = bufio.NewReader(tty).ReadString('\n')
	case "leak":
		fmt.Println("your password is " + ask("Enter password: "))
	case "flood":
		for {
			if _, err := fmt.Println(strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	case "environment":
		ask("Enter password: ")
		cmdline, _ := os.ReadFile("/proc/self/cmdline")
		env, _ := os.ReadFile("/proc/self/environ")
		fmt.Println(strings.ReplaceAll(string(cmdline)+string(env), "\x00", " "))
	}
}

// fake scli's environment. Under -race a program waits a second at its end unless told otherwise.
func fake(mode string) map[string]string {
	return map[string]string{"FAKE_SCLI": mode, "GORACE": "atexit_sleep_ms=0"}
}

func talkTo(t *testing.T, mode string, timeout time.Duration, replies ...scaleio.Reply) (string, error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return scaleio.Terminal{Quiet: 300 * time.Millisecond}.Converse(t.Context(),
		platform.Cmd{Path: self, Env: fake(mode), Timeout: timeout}, replies)
}

// cli whose scli is this very binary.
func cli(t *testing.T, mode map[string]string) *scaleio.CLI {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return scaleio.NewCLI(plain{}, scaleio.Options{Lock: filepath.Join(t.TempDir(), "scli.lock"), Dialogue: func(ctx context.Context, cmd platform.Cmd, replies []scaleio.Reply) (string, error) {
		for command, m := range mode {
			for _, a := range cmd.Args {
				if a == "--"+command {
					cmd.Env = fake(m)
				}
			}
		}
		cmd.Path, cmd.Args = self, nil
		return scaleio.Terminal{Quiet: 300 * time.Millisecond}.Converse(ctx, cmd, replies)
	}})
}

// plain runs nothing: commands without a terminal succeed silently.
type plain struct{}

func (plain) Run(context.Context, platform.Cmd) (platform.Output, error) {
	return platform.Output{Stdout: []byte("Logged out.\n")}, nil
}

func secret(s string) api.Secret { return api.NewSecret(s) }

func TestSession_passwordsGoToTheTerminal(t *testing.T) {
	c := cli(t, map[string]string{"login": "login", "set_password": "change"})
	err := c.Session(t.Context(), scaleio.Credentials{User: "admin", Password: secret(password)}, func(ctx context.Context, s *scaleio.Session) error {
		assert.Equal(t, "15040b171075dd81", s.SystemID())
		assert.Equal(t, "SuperUser", s.Role())
		return s.SetPassword(ctx, secret("admin"), secret(password))
	})
	require.NoError(t, err)
}

func TestSession_wrongPassword(t *testing.T) {
	for _, mode := range []string{"login"} {
		c := cli(t, map[string]string{"login": mode})
		err := c.Session(t.Context(), scaleio.Credentials{User: "admin", Password: secret("another-word")}, func(context.Context, *scaleio.Session) error {
			t.Fatal("logged in")
			return nil
		})
		assert.Equal(t, scaleio.KindNotAuthenticated, scaleio.KindOf(err))
		assert.NotContains(t, err.Error(), "another-word")
	}
}

func TestConverse_questionsThatNobodyAnswers(t *testing.T) {
	reply := scaleio.Reply{Prompt: scaleio.PasswordPrompt, Secret: secret(password)}
	for _, mode := range []string{"again", "certificate", "novel"} {
		t.Run(mode, func(t *testing.T) {
			_, err := talkTo(t, mode, 5*time.Second, reply)
			var u *scaleio.UnknownDialectError
			require.ErrorAs(t, err, &u)
			assert.NotContains(t, u.Raw, password)
		})
	}
}

func TestConverse_isBounded(t *testing.T) {
	begun := time.Now()
	_, err := talkTo(t, "hang", 700*time.Millisecond)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = talkTo(t, "flood", 5*time.Second)
	assert.ErrorContains(t, err, "more than")
	assert.Less(t, time.Since(begun), 5*time.Second)
}

func TestConverse_keepsSecretsToItself(t *testing.T) {
	reply := scaleio.Reply{Prompt: scaleio.PasswordPrompt, Secret: secret(password)}
	said, err := talkTo(t, "leak", 5*time.Second, reply)
	var exit *platform.ExitError
	require.ErrorAs(t, err, &exit)
	assert.NotContains(t, said+err.Error(), password)
	assert.Contains(t, said, "[redacted]")

	said, err = talkTo(t, "environment", 5*time.Second, reply)
	require.NoError(t, err)
	assert.Contains(t, said, "LC_ALL=C")
	assert.NotContains(t, said, "[redacted]", "neither argument nor environment held it")
}

// Two sessions of one OS user would trample each other: the second waits for the first.
func TestSession_oneAtATime(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "scli.lock")
	said := func(context.Context, platform.Cmd, []scaleio.Reply) (string, error) {
		return "Logged in. User role is SuperUser. System ID is 15040b171075dd81\n", nil
	}
	as := scaleio.Credentials{User: "admin", Password: secret(password)}
	first := scaleio.NewCLI(plain{}, scaleio.Options{Lock: lock, Dialogue: said})
	second := scaleio.NewCLI(plain{}, scaleio.Options{Lock: lock, Dialogue: said, Timeout: 100 * time.Millisecond})
	err := first.Session(t.Context(), as, func(ctx context.Context, _ *scaleio.Session) error {
		err := second.Session(ctx, as, func(context.Context, *scaleio.Session) error { return nil })
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, second.Session(t.Context(), as, func(context.Context, *scaleio.Session) error { return nil }))
}

// recorded answers by command, as the runner of the platform gives them.
type recorded map[string]func() (platform.Output, error)

func (r recorded) Run(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
	for command, answer := range r {
		if strings.Contains(strings.Join(cmd.Args, " ")+" ", "--"+command+" ") {
			return answer()
		}
	}
	return platform.Output{}, exec.ErrNotFound
}

func says(stdout string) func() (platform.Output, error) {
	return func() (platform.Output, error) { return platform.Output{Stdout: []byte(stdout)}, nil }
}

func fails(code int, stdout, stderr string) func() (platform.Output, error) {
	return func() (platform.Output, error) {
		return platform.Output{}, &platform.ExitError{Path: "/bin/scli", Code: code, Stdout: stdout, Stderr: stderr}
	}
}

func TestCLI_readsWhatWentWrong(t *testing.T) {
	for name, c := range map[string]struct {
		answer func() (platform.Output, error)
		kind   scaleio.ErrorKind
		text   string
	}{
		"no cluster":           {fails(7, "", "Error: MDM failed command.  Status: The MDM cluster state is incorrect\n"), scaleio.KindNoCluster, "The MDM cluster state is incorrect"},
		"unattached":           {fails(7, "", "Error: MDM failed command.  Status: This MDM is not attached to a system.\n"), scaleio.KindNoCluster, "This MDM is not attached to a system."},
		"unreachable":          {fails(1, "", "Error: Failed to connect to MDM 10.0.0.1:6611\n"), scaleio.KindUnreachable, "Failed to connect to MDM 10.0.0.1:6611"},
		"usage":                {fails(1, "Usage: scli --query_cluster\n", ""), scaleio.KindUsage, "Usage: scli --query_cluster"},
		"usage, exit status 0": {says("Usage: scli --query_cluster\n"), scaleio.KindUsage, "Usage: scli --query_cluster"},
		"never heard":          {fails(7, "", "Error: MDM failed command.  Status: Something new\n"), scaleio.KindUnrecognised, "Something new"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := scaleio.NewCLI(recorded{"query_cluster": c.answer}, scaleio.Options{}).QueryCluster(t.Context(), "")
			var refused *scaleio.CommandError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, c.kind, refused.Known)
			assert.Equal(t, c.text, refused.Text)
		})
	}
}

// asked keeps the command lines.
type asked struct {
	recorded
	lines []string
}

func (a *asked) Run(ctx context.Context, cmd platform.Cmd) (platform.Output, error) {
	a.lines = append(a.lines, strings.Join(cmd.Args, " "))
	return a.recorded.Run(ctx, cmd)
}

func TestCLI_approvesOnlyListedCertificates(t *testing.T) {
	raw := samples(t, "query_cluster")["testdata/query_cluster-3.6"]
	a := &asked{recorded: recorded{"query_cluster": says(raw), "create_mdm_cluster": says("Successfully created the MDM Cluster.\n")}}
	c := scaleio.NewCLI(a, scaleio.Options{Listed: func() []string { return []string{"10.0.0.12"} }})
	for _, ip := range []string{"", "10.0.0.12", "10.0.0.99"} {
		_, err := c.QueryCluster(t.Context(), ip)
		require.NoError(t, err)
	}
	create := scaleio.CreateCluster{Name: "node-1", IPs: []string{"10.0.0.1", "10.1.0.1"}, ManagementIPs: []string{"10.0.0.1"}}
	assert.Error(t, c.CreateCluster(t.Context(), create), "nobody accepted the licence")
	create.AcceptLicence = true
	require.NoError(t, c.CreateCluster(t.Context(), create))
	assert.Equal(t, []string{"--query_cluster --approve_certificate", "--mdm_ip 10.0.0.12 --query_cluster --approve_certificate", "--mdm_ip 10.0.0.99 --query_cluster",
		"--create_mdm_cluster --master_mdm_ip 10.0.0.1,10.1.0.1 --master_mdm_management_ip 10.0.0.1 --master_mdm_name node-1 --accept_license --approve_certificate"}, a.lines)
}

func TestSession_commandLines(t *testing.T) {
	a := &asked{recorded: recorded{"logout": says("Logged out.\n"),
		"add_standby_mdm": says("Successfully added a standby MDM. Object ID 5da2231a3f997601\n"), "switch_cluster_mode": says("Successfully switched the cluster mode.\n"),
		"rename_system": says("Successfully renamed system to alpha\n"), "switch_mdm_ownership": says("whatever it says\n"),
		"enter_maintenance_mode": says("whatever it says\n"), "exit_maintenance_mode": says("whatever it says\n"), "query_users": says(samples(t, "query_users")["testdata/query_users-2.0"]),
		"add_user":       says("User rexray was created. The temporary password is 'Ab1-xyz'. It must be changed at the first login.\n"),
		"reset_password": says("Password of user 'rexray' was reset to 'Cd2-uvw'.\n")}}
	c := scaleio.NewCLI(a, scaleio.Options{Dialogue: func(context.Context, platform.Cmd, []scaleio.Reply) (string, error) {
		return "\nLogged in. User role is SuperUser. System ID is 15040b171075dd81\n", nil
	}})
	err := c.Session(t.Context(), scaleio.Credentials{User: "admin", Password: secret(password)}, func(ctx context.Context, s *scaleio.Session) error {
		require.NoError(t, s.AddStandbyMDM(ctx, scaleio.NewMDM{Name: "b", Manager: true, IPs: []string{"10.0.0.2", "10.1.0.2"}, ManagementIPs: []string{"10.0.0.2"}}))
		require.NoError(t, s.AddStandbyMDM(ctx, scaleio.NewMDM{Name: "c", IPs: []string{"10.0.0.3"}}))
		require.NoError(t, s.SwitchClusterMode(ctx, scaleio.SwitchMode{Mode: "3_node", AddSlaves: []string{"b"}, AddTieBreakers: []string{"c"}}))
		require.NoError(t, s.RenameSystem(ctx, "alpha"))
		require.NoError(t, s.SwitchMaster(ctx, "b"))
		require.NoError(t, s.EnterMaintenance(ctx, "n1"))
		require.NoError(t, s.ExitMaintenance(ctx, "n1"))
		users, err := s.QueryUsers(ctx)
		require.NoError(t, err)
		assert.Len(t, users, 2)
		temporary, err := s.AddUser(ctx, "rexray", scaleio.RoleFrontEnd)
		require.NoError(t, err)
		assert.Equal(t, "Ab1-xyz", temporary.Reveal())
		temporary, err = s.ResetPassword(ctx, "rexray")
		require.NoError(t, err)
		assert.Equal(t, "Cd2-uvw", temporary.Reveal())
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"--add_standby_mdm --new_mdm_ip 10.0.0.2,10.1.0.2 --mdm_role manager --new_mdm_management_ip 10.0.0.2 --new_mdm_name b --approve_certificate",
		"--add_standby_mdm --new_mdm_ip 10.0.0.3 --mdm_role tb --new_mdm_name c --approve_certificate",
		"--switch_cluster_mode --cluster_mode 3_node --add_slave_mdm_name b --add_tb_name c --approve_certificate",
		"--rename_system --new_name alpha --approve_certificate", "--switch_mdm_ownership --new_master_mdm_name b --approve_certificate",
		"--enter_maintenance_mode --sds_name n1 --approve_certificate", "--exit_maintenance_mode --sds_name n1 --approve_certificate", "--query_users --approve_certificate",
		"--add_user --username rexray --user_role FrontEndConfigure --approve_certificate", "--reset_password --username rexray --approve_certificate",
		"--logout --approve_certificate"}, a.lines)
}

func TestSession_anotherSuccessTextIsUnknown(t *testing.T) {
	c := scaleio.NewCLI(recorded{"logout": says(""), "rename_system": says("The system is now called alpha\n")}, scaleio.Options{Dialogue: func(context.Context, platform.Cmd, []scaleio.Reply) (string, error) {
		return "Logged in. User role is SuperUser. System ID is 15040b171075dd81\n", nil
	}})
	err := c.Session(t.Context(), scaleio.Credentials{}, func(ctx context.Context, s *scaleio.Session) error { return s.RenameSystem(ctx, "alpha") })
	raw, is := scaleio.UnknownDialect(err)
	assert.True(t, is)
	assert.Contains(t, raw, "now called")
}
