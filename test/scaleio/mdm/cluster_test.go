package mdm_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/mdm"
	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/scaleiotest"
)

var trustAll = scaleiotest.TrustAll()

// operator is a client that looks for the master and logs in again by itself.
type operator struct {
	t        *testing.T
	hosts    []string
	password string
	conn     *mgmt.Conn
	session  string
}

// try sends one command to whoever is master now.
func (o *operator) try(cmd string, args, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if o.conn != nil {
		err := o.conn.Call(ctx, o.session, cmd, args, result)
		var fault *mgmt.Fault
		if err == nil || errors.As(err, &fault) && !errors.Is(err, mgmt.InvalidSession) {
			return err
		}
		_ = o.conn.Close()
		o.conn = nil
	}
	conn, err := mgmt.FindMaster(ctx, "test", o.hosts, trustAll)
	if err != nil {
		return err
	}
	var in mgmt.LoggedIn
	if err := conn.Call(ctx, "", mgmt.CmdLogin, mgmt.Login{User: "admin", Password: o.password}, &in); err != nil {
		_ = conn.Close()
		return err
	}
	o.conn, o.session = conn, in.Session
	return conn.Call(ctx, in.Session, cmd, args, result)
}

func (o *operator) must(cmd string, args, result any) {
	o.t.Helper()
	require.NoError(o.t, o.try(cmd, args, result), cmd)
}

// master is the address of the one that serves.
func (o *operator) master() string {
	o.t.Helper()
	var c mgmt.View
	o.must(mgmt.CmdView, nil, &c)
	for _, m := range c.Cluster.Members {
		if m.Kind == mgmt.Master {
			return m.IPs[0]
		}
	}
	o.t.Fatal("no master")
	return ""
}

// soon waits for the first master again after a failover.
func (o *operator) soon(what string, ok func() error) {
	o.t.Helper()
	require.Eventually(o.t, func() bool { return ok() == nil }, 10*time.Second, 10*time.Millisecond, what)
}

// at asks one member on its cluster port, as scli does where the management port is closed.
func at(ip, cmd string, args, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := mgmt.Dial(ctx, "test", mgmt.Address(ip, 9011), trustAll)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Call(ctx, "", cmd, args, result)
}

const adminPassword = "Scaleio-1"

// formed is a 3_node cluster: manager, manager, tie-breaker.
func formed(t *testing.T) ([]*scaleiotest.MDM, *operator) {
	t.Helper()
	return formedTuned(t, nil)
}

func formedTuned(t *testing.T, tune func(*mdm.Options)) ([]*scaleiotest.MDM, *operator) {
	t.Helper()
	m := scaleiotest.TunedMDMs(t, scaleiotest.NewNetwork(), tune, true, true, false)
	op := &operator{t: t, hosts: []string{m[0].IP, m[1].IP}, password: "admin"}
	require.NoError(t, at(m[0].IP, mgmt.CmdCreateCluster, mgmt.CreateCluster{Name: "mdm1", IPs: []string{m[0].IP}, AcceptLicense: true}, nil))
	op.must(mgmt.CmdSetPassword, mgmt.SetPassword{Old: "admin", New: adminPassword}, nil)
	op.password = adminPassword
	op.must(mgmt.CmdAddStandby, mgmt.AddStandby{Name: "mdm2", IPs: []string{m[1].IP}, Manager: true}, nil)
	op.must(mgmt.CmdAddStandby, mgmt.AddStandby{Name: "tb1", IPs: []string{m[2].IP}}, nil)
	op.must(mgmt.CmdSwitchMode, mgmt.SwitchMode{Nodes: 3, AddSlaves: []mgmt.Ref{{Name: "mdm2"}}, AddTBs: []mgmt.Ref{{Name: "tb1"}}}, nil)
	for _, node := range m { // the master knows first
		waitNormal(t, node.IP)
	}
	return m, op
}

func waitNormal(t *testing.T, ip string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := mgmt.Dial(ctx, "test", mgmt.Address(ip, 9011), trustAll)
	require.NoError(t, err)
	defer conn.Close()
	require.Eventually(t, func() bool {
		var c mgmt.Cluster
		err := conn.Call(ctx, "", mgmt.CmdQueryCluster, nil, &c)
		return err == nil && !c.Degraded && c.Nodes == 3 && c.Active == 3 && c.Replicas == 2
	}, 10*time.Second, 10*time.Millisecond)
}

func TestFormation(t *testing.T) {
	t.Parallel()
	m, op := formed(t)
	// Every member tells the same of the cluster.
	for _, node := range m {
		var c mgmt.Cluster
		require.NoError(t, at(node.IP, mgmt.CmdQueryCluster, nil, &c))
		assert.Equal(t, "mdm1", c.Members[0].Name)
		assert.Equal(t, []string{mgmt.Master, mgmt.Slave, mgmt.TieBreaker}, []string{c.Members[0].Kind, c.Members[1].Kind, c.Members[2].Kind})
	}
	assert.ErrorIs(t, at(m[1].IP, mgmt.CmdView, nil, nil), mgmt.OnSlave)
	assert.ErrorIs(t, op.try(mgmt.CmdSwitchMode, mgmt.SwitchMode{Nodes: 3}, nil), mgmt.SameClusterMode)
	assert.ErrorIs(t, at(m[0].IP, mgmt.CmdCreateCluster, mgmt.CreateCluster{IPs: []string{m[0].IP}, AcceptLicense: true}, nil), mgmt.AlreadyConfigured)
}

// Kill the master again and again: what was acknowledged must be there at the next.
func TestFailover_losesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	m, op := formed(t)
	var acknowledged []string
	for round := range 3 {
		for i := range 5 {
			name := fmt.Sprintf("u%d-%d", round, i)
			op.soon("adding "+name, func() error {
				err := op.try(mgmt.CmdAddUser, mgmt.AddUser{Name: name, Role: "Monitor"}, nil)
				if errors.Is(err, mgmt.UserExists) { // an attempt whose answer was lost
					return nil
				}
				return err
			})
			acknowledged = append(acknowledged, name)
		}
		master := m[round%2]
		master.Kill()
		op.soon("another master", func() error { return op.try(mgmt.CmdView, nil, nil) })
		var v mgmt.View
		op.must(mgmt.CmdView, nil, &v)
		var names []string
		for _, u := range v.Users {
			names = append(names, u.Name)
		}
		assert.Subset(t, names, acknowledged)
		assert.True(t, v.Cluster.Degraded)
		master.Start()
		waitNormal(t, m[(round+1)%2].IP)
	}
}

// A slave that missed changes must not become master, even when it is the only one to ask.
func TestFailover_staleReplicaNeverWins(t *testing.T) {
	t.Parallel()
	m, op := formed(t)
	m[1].Kill()
	op.must(mgmt.CmdAddUser, mgmt.AddUser{Name: "late", Role: "Monitor"}, nil)
	m[0].Kill()
	m[1].Start()
	refused := m[1].Said("vote refused")
	op.soon("it stands for election, and again", func() error {
		require.Error(t, op.try(mgmt.CmdView, nil, nil), "the stale replica serves")
		require.Error(t, at(m[1].IP, mgmt.CmdQueryCluster, nil, nil))
		if m[1].Said("vote refused") < refused+5 {
			return errors.New("not yet")
		}
		return nil
	})
	assert.Zero(t, m[1].Said("elected"))
	m[0].Start()
	waitNormal(t, m[0].IP)
	var v mgmt.View
	op.must(mgmt.CmdView, nil, &v)
	assert.Equal(t, "late", v.Users[len(v.Users)-1].Name)
}

func TestMajorityLost_refusesAndCloses(t *testing.T) {
	t.Parallel()
	m, op := formed(t)
	m[1].Kill()
	m[0].Kill()
	m[0].Tune = func(o *mdm.Options) { o.Lease = 300 * time.Millisecond } // its own to lose
	m[0].Start()
	op.soon("serving with the tie-breaker", func() error { return op.try(mgmt.CmdView, nil, nil) })
	m[2].Kill()
	op.soon("management closed", func() error {
		if op.try(mgmt.CmdView, nil, nil) == nil {
			return errors.New("still serving")
		}
		return nil
	})
	assert.ErrorIs(t, at(m[0].IP, mgmt.CmdAddUser, mgmt.AddUser{Name: "x", Role: "Monitor"}, nil), mgmt.WrongClusterState)
	assert.ErrorIs(t, at(m[0].IP, mgmt.CmdQueryCluster, nil, nil), mgmt.WrongClusterState)
	m[2].Start()
	op.soon("serving again", func() error { return op.try(mgmt.CmdView, nil, nil) })
}

func TestAddStandby_refusesMemberOfAnotherCluster(t *testing.T) {
	t.Parallel()
	m := scaleiotest.MDMs(t, scaleiotest.NewNetwork(), true, true)
	for _, node := range m {
		require.NoError(t, at(node.IP, mgmt.CmdCreateCluster, mgmt.CreateCluster{IPs: []string{node.IP}, AcceptLicense: true}, nil))
	}
	op := &operator{t: t, hosts: []string{m[0].IP}, password: "admin"}
	assert.ErrorIs(t, op.try(mgmt.CmdView, nil, nil), mgmt.ChangePassword)
	op.must(mgmt.CmdSetPassword, mgmt.SetPassword{Old: "admin", New: adminPassword}, nil)
	op.password = adminPassword
	assert.ErrorIs(t, op.try(mgmt.CmdAddStandby, mgmt.AddStandby{Name: "b", IPs: []string{m[1].IP}, Manager: true}, nil), mgmt.AttachedElsewhere)
	assert.ErrorIs(t, op.try(mgmt.CmdAddStandby, mgmt.AddStandby{Name: "b", IPs: []string{m[1].IP}, ForceClean: true}, nil), mgmt.WrongMDMRole)
	op.must(mgmt.CmdAddStandby, mgmt.AddStandby{Name: "b", IPs: []string{m[1].IP}, Manager: true, ForceClean: true}, nil)
}

func TestSwitchMaster(t *testing.T) {
	t.Parallel()
	m, op := formed(t)
	op.must(mgmt.CmdSwitchMaster, mgmt.Ref{Name: "mdm2"}, nil)
	waitNormal(t, m[1].IP)
	var v mgmt.View
	op.must(mgmt.CmdView, nil, &v)
	assert.Equal(t, mgmt.Master, v.Cluster.Members[1].Kind)
	op.must(mgmt.CmdSwitchMode, mgmt.SwitchMode{Nodes: 1, RemoveSlaves: []mgmt.Ref{{Name: "mdm1"}}, RemoveTBs: []mgmt.Ref{{Name: "tb1"}}}, nil)
	m[0].Kill()
	m[2].Kill()
	op.must(mgmt.CmdView, nil, &v)
	assert.Equal(t, 1, v.Cluster.Nodes)
	assert.False(t, v.Cluster.Degraded)
}
