package scaleiotest

import (
	"context"
	"errors"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
)

// SystemID of systems that are models.
const SystemID = "3ef46cbf2aaf5d0f"

// Settled is a session of scli with a system whose accounts, members and name are as wanted: there is nothing left to do in one.
type Settled struct{}

var _ leader.Session = Settled{}

var errSettled = errors.New("nobody does that to a system that is as wanted")

func (Settled) SystemID() string                                            { return SystemID }
func (Settled) SetPassword(context.Context, api.Secret, api.Secret) error   { return errSettled }
func (Settled) AddStandbyMDM(context.Context, scaleio.NewMDM) error         { return errSettled }
func (Settled) SwitchClusterMode(context.Context, scaleio.SwitchMode) error { return errSettled }
func (Settled) SwitchMaster(context.Context, string) error                  { return errSettled }
func (Settled) EnterMaintenance(context.Context, string) error              { return errSettled }
func (Settled) ExitMaintenance(context.Context, string) error               { return errSettled }
func (Settled) RenameSystem(context.Context, string) error                  { return errSettled }

func (Settled) AddUser(context.Context, string, string) (s api.Secret, err error) {
	return s, errSettled
}

func (Settled) ResetPassword(context.Context, string) (s api.Secret, err error) {
	return s, errSettled
}

func (Settled) QueryUsers(context.Context) ([]scaleio.User, error) {
	return []scaleio.User{{ID: "0", Name: "admin", Role: "SuperUser"}, {ID: "1", Name: "rexray", Role: scaleio.RoleFrontEnd}}, nil
}
