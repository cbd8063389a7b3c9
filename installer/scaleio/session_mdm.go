package scaleio

import (
	"context"

	"scaleio-framework/scheduler/api"
)

// NewMDM says what add_standby_mdm is told. Force flags don't exist here.
type NewMDM struct {
	Name          string
	Manager       bool
	IPs           []string
	ManagementIPs []string // of a manager; 2.x refuses them for a tie-breaker
}

// AddStandbyMDM adds an installed MDM to the cluster.
func (s *Session) AddStandbyMDM(ctx context.Context, m NewMDM) error {
	args := []string{"--new_mdm_ip", list(m.IPs), "--mdm_role", "tb", "--new_mdm_name", m.Name}
	if m.Manager {
		args = []string{"--new_mdm_ip", list(m.IPs), "--mdm_role", "manager", "--new_mdm_management_ip", list(m.ManagementIPs), "--new_mdm_name", m.Name}
	}
	return s.do(ctx, "Successfully added a standby MDM", "add_standby_mdm", args...)
}

// SwitchMode says which standbys become members.
type SwitchMode struct {
	Mode           string // 3_node
	AddSlaves      []string
	AddTieBreakers []string
}

// SwitchClusterMode grows the cluster; KindDone: it is in that mode.
func (s *Session) SwitchClusterMode(ctx context.Context, m SwitchMode) error {
	args := []string{"--cluster_mode", m.Mode}
	if len(m.AddSlaves) > 0 {
		args = append(args, "--add_slave_mdm_name", list(m.AddSlaves))
	}
	if len(m.AddTieBreakers) > 0 {
		args = append(args, "--add_tb_name", list(m.AddTieBreakers))
	}
	return s.do(ctx, "Successfully switched the cluster mode.", "switch_cluster_mode", args...)
}

// RenameSystem gives the system its name.
func (s *Session) RenameSystem(ctx context.Context, name string) error {
	return s.do(ctx, "Successfully renamed system to", "rename_system", "--new_name", name)
}

// SwitchMaster makes another manager the master. No sample of its answer is known: whether it was done is for the next look at the cluster to say. The session
// ends with it.
func (s *Session) SwitchMaster(ctx context.Context, to string) error {
	_, err := s.cli.run(ctx, "", "switch_mdm_ownership", "--new_master_mdm_name", to)
	return err
}

// EnterMaintenance of the instant kind puts an SDS out of service for a while: its data isn't copied elsewhere when it goes away. No sample of the answer of the
// product is known: the next look at the SDS says whether it was done.
func (s *Session) EnterMaintenance(ctx context.Context, sds string) error {
	_, err := s.cli.run(ctx, "", "enter_maintenance_mode", "--sds_name", sds)
	return err
}

// ExitMaintenance puts it into service again; what it missed is copied to it.
func (s *Session) ExitMaintenance(ctx context.Context, sds string) error {
	_, err := s.cli.run(ctx, "", "exit_maintenance_mode", "--sds_name", sds)
	return err
}

// QueryUsers lists the accounts.
func (s *Session) QueryUsers(ctx context.Context) ([]User, error) {
	out, err := s.cli.run(ctx, "", "query_users")
	if err != nil {
		return nil, err
	}
	return ParseQueryUsers(out)
}

// A temporary password is printed in single quotes, after the user's name where that is quoted too.
var temporary = lazily(`'([^'\s]+)'`)

// AddUser makes an account and gives its temporary password, good for nothing but to set another.
func (s *Session) AddUser(ctx context.Context, name, role string) (api.Secret, error) {
	out, err := s.cli.run(ctx, "", "add_user", "--username", name, "--user_role", role)
	if err != nil {
		return api.Secret{}, err
	}
	return temporaryPassword("add_user", out)
}

// ResetPassword gives an account a new temporary password.
func (s *Session) ResetPassword(ctx context.Context, name string) (api.Secret, error) {
	out, err := s.cli.run(ctx, "", "reset_password", "--username", name)
	if err != nil {
		return api.Secret{}, err
	}
	return temporaryPassword("reset_password", out)
}

func temporaryPassword(command, out string) (api.Secret, error) {
	quoted := temporary().FindAllStringSubmatch(out, -1)
	if len(quoted) == 0 || len(quoted) > 2 {
		// The text may hold a password: it isn't kept.
		return api.Secret{}, unknown(command, "(not shown: may hold a password)", "")
	}
	return api.NewSecret(quoted[len(quoted)-1][1]), nil
}

// QueryAll reads the head of query_all: who the system is.
func (s *Session) QueryAll(ctx context.Context) (System, error) {
	out, err := s.cli.run(ctx, "", "query_all")
	if err != nil {
		return System{}, err
	}
	return ParseQueryAll(out)
}

func (s *Session) do(ctx context.Context, success, command string, args ...string) error {
	out, err := s.cli.run(ctx, "", command, args...)
	if err != nil {
		return err
	}
	return expect(command, out, success)
}
