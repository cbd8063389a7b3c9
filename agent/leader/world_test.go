package leader_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

const systemID = "3ef46cbf2aaf5d0f"

var errCut = errors.New("cut")

// world is a ScaleIO system with state: what was created stays, whoever asks. Each call has a number at which it can be cut, before or after the work.
type world struct {
	mu        sync.Mutex
	cluster   scaleio.Cluster
	passwords map[string]string
	users     []scaleio.User
	objects   scaleio.Objects
	dead      bool // the gateway
	next      int

	calls     []string // all that change something
	count     int      // of all calls
	cutBefore int      // this call isn't made at all
	cutAfter  int      // the work of this call is done, its answer lost
	gone      bool     // the process that was cut: none of its later calls arrives
	dies      bool     // whether a cut ends the process
	since     []string // calls since the last heal
	refuse    map[string][]error
	lease     time.Duration
	before    func(call string)
}

func newWorld() *world {
	return &world{
		cluster: scaleio.Cluster{Mode: "1_node", State: "Normal", Active: 1, Voters: 1, Replicas: 1, WantedReplicas: 1, Members: []scaleio.Member{
			{Name: "node-1", ID: "7cbb59a95d6dcb00", Place: scaleio.PlaceMaster, Manager: true, IPs: []string{"10.0.0.1"}, Port: 9011, Status: "Normal", Version: "3.6.700"}}},
		passwords: map[string]string{"admin": "admin"},
		users:     []scaleio.User{{ID: "0", Name: "admin", Role: "SuperUser", NeedNewPass: true}},
		objects:   scaleio.Objects{SystemID: systemID, Version: "3.6"},
		refuse:    map[string][]error{}, lease: 12 * time.Second,
	}
}

func refused(text string) error {
	return &scaleio.CommandError{Command: "test", Code: 7, Text: text, Known: scaleio.KindOfText(text)}
}

// call counts, cuts, refuses; work is done under the lock.
func (w *world) call(ctx context.Context, name string, changes bool, work func() error) error {
	if w.before != nil {
		w.before(name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	if err := ctx.Err(); err != nil {
		return err
	}
	w.since = append(w.since, name)
	if w.gone || w.count == w.cutBefore {
		w.gone = w.dies
		return errCut
	}
	if changes {
		w.calls = append(w.calls, name)
	}
	if queue := w.refuse[name]; len(queue) > 0 {
		w.refuse[name] = queue[1:]
		return queue[0]
	}
	err := work()
	if w.count == w.cutAfter {
		w.gone = w.dies
		return errCut
	}
	return err
}

// steptest.Cutter.

func (w *world) CutBefore(n int) { w.dies, w.cutBefore, w.cutAfter = true, w.count+n, 0 }
func (w *world) CutAfter(n int)  { w.dies, w.cutAfter, w.cutBefore = true, w.count+n, 0 }
func (w *world) HasCut() bool    { return w.gone }
func (w *world) Calls() []string { return w.since }
func (w *world) Heal()           { w.gone, w.dies, w.cutBefore, w.cutAfter, w.since = false, false, 0, 0, nil }

// snapshot is everything that an act may change.
func (w *world) snapshot() map[string]string {
	return map[string]string{"cluster": fmt.Sprintf("%+v", w.cluster), "passwords": fmt.Sprintf("%v", w.passwords), "users": fmt.Sprintf("%+v", w.users),
		"objects": fmt.Sprintf("%+v", w.objects)}
}

func (w *world) id() string {
	w.next++
	return fmt.Sprintf("%016x", 0xabc000+w.next)
}

// scli.

func (w *world) QueryCluster(ctx context.Context, ip string) (c scaleio.Cluster, err error) {
	err = w.call(ctx, "query_cluster", false, func() error {
		c = w.cluster
		c.Members = slices.Clone(w.cluster.Members)
		return nil
	})
	return c, err
}

func (w *world) Session(ctx context.Context, as scaleio.Credentials, do func(context.Context, leader.Session) error) error {
	err := w.call(ctx, "login", false, func() error {
		if w.passwords[as.User] == "" || w.passwords[as.User] != as.Password.Reveal() {
			return refused("Permission denied. Please check that you are using the correct user name, password and authentication method, and that you have permission to perform this action.")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return do(ctx, &session{w, as.User})
}

type session struct {
	*world
	user string
}

func (s *session) SystemID() string { return systemID }

func (s *session) ready() error {
	for _, u := range s.users {
		if u.Name == s.user && u.NeedNewPass {
			return refused("Password change required. Please change your password.")
		}
	}
	if m, _ := s.cluster.Master(); m.Name != "node-1" {
		return refused("This command is not supported on the Slave MDM. Please use the Master MDM IP to access the cluster")
	}
	return nil
}

func (s *session) SetPassword(ctx context.Context, old, to api.Secret) error {
	return s.call(ctx, "set_password "+s.user, true, func() error {
		if s.passwords[s.user] != old.Reveal() {
			return refused("The password that you entered does not match the one stored in the system. Please type it again.")
		}
		s.passwords[s.user] = to.Reveal()
		for i := range s.users {
			if s.users[i].Name == s.user {
				s.users[i].NeedNewPass = false
			}
		}
		return nil
	})
}

func (s *session) AddStandbyMDM(ctx context.Context, m scaleio.NewMDM) error {
	return s.call(ctx, "add_standby_mdm "+m.Name, true, func() error {
		if err := s.ready(); err != nil {
			return err
		}
		if _, there := s.cluster.At(m.IPs...); there {
			return refused("An MDM with the same IP address already exists.")
		}
		s.cluster.Members = append(s.cluster.Members, scaleio.Member{Name: m.Name, ID: s.id(), Place: scaleio.PlaceStandby, Manager: m.Manager, IPs: m.IPs, ManagementIPs: m.ManagementIPs, Port: 9011})
		return nil
	})
}

func (s *session) SwitchClusterMode(ctx context.Context, m scaleio.SwitchMode) error {
	return s.call(ctx, "switch_cluster_mode "+m.Mode, true, func() error {
		if err := s.ready(); err != nil {
			return err
		}
		if s.cluster.Mode == m.Mode {
			return refused("The MDM is already in this cluster mode.")
		}
		if len(m.AddSlaves) != 1 || len(m.AddTieBreakers) != 1 {
			return refused("Wrong number of MDMs for this transition")
		}
		for i := range s.cluster.Members {
			m2 := &s.cluster.Members[i]
			switch {
			case slices.Contains(m.AddSlaves, m2.Name):
				m2.Place, m2.Status = scaleio.PlaceSlave, "Normal"
			case slices.Contains(m.AddTieBreakers, m2.Name):
				m2.Place, m2.Status = scaleio.PlaceTieBreaker, "Normal"
			}
		}
		s.cluster.Mode, s.cluster.Active, s.cluster.Voters = m.Mode, 3, 3
		return nil
	})
}

func (s *session) RenameSystem(ctx context.Context, name string) error {
	return s.call(ctx, "rename_system "+name, true, func() error {
		if err := s.ready(); err != nil {
			return err
		}
		s.cluster.Name, s.objects.SystemName = name, name
		return nil
	})
}

func (s *session) SwitchMaster(ctx context.Context, to string) error {
	return s.call(ctx, "switch_mdm_ownership "+to, true, func() error {
		if err := s.ready(); err != nil {
			return err
		}
		for i := range s.cluster.Members {
			switch m := &s.cluster.Members[i]; {
			case m.Name == to:
				m.Place = scaleio.PlaceMaster
			case m.Place == scaleio.PlaceMaster:
				m.Place = scaleio.PlaceSlave
			}
		}
		return nil
	})
}

func (s *session) EnterMaintenance(ctx context.Context, sds string) error {
	return s.maintain(ctx, "enter_maintenance_mode "+sds, sds, "NoMaintenance", "InMaintenance")
}

func (s *session) ExitMaintenance(ctx context.Context, sds string) error {
	return s.maintain(ctx, "exit_maintenance_mode "+sds, sds, "InMaintenance", "NoMaintenance")
}

func (s *session) maintain(ctx context.Context, call, sds, from, to string) error {
	return s.call(ctx, call, true, func() error {
		if err := s.ready(); err != nil {
			return err
		}
		for i := range s.objects.SDSs {
			if x := &s.objects.SDSs[i]; x.Name == sds && x.Maintenance == from {
				x.Maintenance = to
				return nil
			}
		}
		return refused("The specified SDS is already in maintenance-mode.")
	})
}

func (s *session) QueryUsers(ctx context.Context) (users []scaleio.User, err error) {
	err = s.call(ctx, "query_users", false, func() error {
		users = slices.Clone(s.users)
		return s.ready()
	})
	return users, err
}

func (s *session) AddUser(ctx context.Context, name, role string) (temporary api.Secret, err error) {
	err = s.call(ctx, "add_user "+name, true, func() error {
		if err := s.ready(); err != nil {
			return err
		}
		if slices.ContainsFunc(s.users, func(u scaleio.User) bool { return u.Name == name }) {
			return refused("This user name already exists. Please use a different name.")
		}
		s.users = append(s.users, scaleio.User{ID: s.id(), Name: name, Role: role, NeedNewPass: true})
		s.passwords[name] = "temp-" + s.id()
		temporary = api.NewSecret(s.passwords[name])
		return nil
	})
	return temporary, err
}

func (s *session) ResetPassword(ctx context.Context, name string) (temporary api.Secret, err error) {
	err = s.call(ctx, "reset_password "+name, true, func() error {
		for i := range s.users {
			if s.users[i].Name == name {
				s.users[i].NeedNewPass = true
				s.passwords[name] = "temp-" + s.id()
				temporary = api.NewSecret(s.passwords[name])
			}
		}
		return s.ready()
	})
	return temporary, err
}

// the other side: spec, guard, passes.

func (w *world) guard(ctx context.Context, need time.Duration) error {
	if w.lease <= need {
		return fmt.Errorf("the lease has %s left, the call may take %s", w.lease, need)
	}
	return nil
}

func node(i int) (name, ip string) { return fmt.Sprintf("node-%d", i), fmt.Sprintf("10.0.0.%d", i) }

func (w *world) input() leader.Input {
	spec := api.NodeSpec{Node: "id-1", Name: "node-1", Role: api.RoleManager, SystemID: systemID, Gates: api.Gates, Cluster: &api.ClusterSpec{
		SystemName: "alpha", ProtectionDomain: "pd1", StoragePool: "sp1", MediaType: "HDD", ZeroPadding: true, SparePercent: 34,
		FaultSets: []string{"az-1", "az-2", "az-3"}, VolumeUser: "rexray"}}
	roles := []api.Role{api.RoleManager, api.RoleManager, api.RoleTieBreaker}
	for i := 1; i <= 3; i++ {
		name, ip := node(i)
		spec.MDMs = append(spec.MDMs, api.MDM{Node: fmt.Sprintf("id-%d", i), Name: name, Role: roles[i-1], IPs: []string{ip}})
		spec.Cluster.SDSs = append(spec.Cluster.SDSs, api.WantedSDS{Node: fmt.Sprintf("id-%d", i), Name: name, IPs: []string{ip}, FaultSet: fmt.Sprintf("az-%d", i)})
		spec.Cluster.Disks = append(spec.Cluster.Disks, api.CandidateDisk{Node: fmt.Sprintf("id-%d", i), SDSName: name, Disk: fmt.Sprintf("vol-%d", i),
			Path: "/dev/xvdf", SizeBytes: 120 << 30, State: api.DiskPrepared, PreparedAgeMS: 100})
	}
	return leader.Input{Spec: spec, Guard: w.guard, Received: time.Now(),
		Secrets: api.Secrets{Admin: api.NewSecret("Adm1n-secret"), VolumeUser: api.NewSecret("V0lume-secret")}}
}

func (w *world) leader() *leader.Leader {
	return leader.New(w, w, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

// converge passes until nothing is left to do.
func (w *world) converge(t *testing.T, in leader.Input) {
	t.Helper()
	l := w.leader()
	r := &step.Reconciler{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for range 5 {
		if res := r.Pass(t.Context(), l.Plan(in), in.Spec.Gates, 1); res.Ready {
			return
		} else if !res.Acted {
			require.True(t, res.Ready, "stuck: %+v", res.Conditions)
		}
	}
	t.Fatal("never ready")
}

// wholeIsRight checks that everything exists exactly once, as wanted.
func (w *world) wholeIsRight(t *testing.T) {
	t.Helper()
	require.Equal(t, "3_node", w.cluster.Mode)
	require.Equal(t, "alpha", w.cluster.Name)
	require.Len(t, w.cluster.Members, 3)
	require.Equal(t, "Adm1n-secret", w.passwords["admin"])
	require.Equal(t, "V0lume-secret", w.passwords["rexray"])
	require.Len(t, w.users, 2)
	require.Len(t, w.objects.Domains, 1)
	require.Len(t, w.objects.Pools, 1)
	require.Equal(t, 34, w.objects.Pools[0].SparePercent)
	require.True(t, w.objects.Pools[0].ZeroPadding)
	require.Len(t, w.objects.FaultSets, 3)
	require.Len(t, w.objects.SDSs, 3)
	require.Len(t, w.objects.Devices, 3)
	for _, s := range w.objects.SDSs {
		require.Equal(t, "az"+s.Name[len("node"):], w.objects.FaultSetName(s.FaultSetID))
	}
}
