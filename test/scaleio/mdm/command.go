package mdm

import (
	"context"
	"encoding/json"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
)

// call is one command on its way: who asks, and the office that answers.
type call struct {
	ctx    context.Context
	office *office
	user   *User
	argv   bool // passwords on command lines are refused
	token  string
}

// A handler needs a role unless it is open to anyone who logged in.
type handler struct {
	right right
	run   func(call, json.RawMessage) (any, error)
}

// query and change fit typed functions into the table.
func query[A, R any](r right, fn func(call, A) (R, error)) handler {
	return handler{r, func(c call, raw json.RawMessage) (any, error) {
		var args A
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &args); err != nil {
				return nil, mgmt.WrongParameters
			}
		}
		return fn(c, args)
	}}
}

func change[A, R any](r right, fn func(*State, A) (R, error)) handler {
	return query(r, func(c call, args A) (result R, err error) {
		err = c.office.write(func(s *State) error {
			result, err = fn(s, args)
			return err
		})
		return result, err
	})
}

type none struct{}

// command answers one management command. dropped tells to close the connection without the answer, the work being done.
func (n *Node) command(ctx context.Context, req mgmt.Request) (answer mgmt.Answer, dropped bool) {
	odd := n.injector.next(req.Cmd)
	if odd.delay > 0 {
		select {
		case <-ctx.Done():
			return mgmt.Answer{}, true
		case <-time.After(odd.delay):
		}
	}
	if odd.busy {
		return mgmt.Answer{Fault: mgmt.Busy}, false
	}
	result, err := n.dispatch(ctx, req, odd.refuseArgv)
	if err == nil {
		answer.Result, err = json.Marshal(result)
	}
	if err != nil {
		answer = mgmt.Answer{Fault: mgmt.AsFault(err)}
	}
	n.log.Debug("command", "cmd", req.Cmd, "client", req.Client, "err", err)
	return answer, odd.drop
}

func (n *Node) dispatch(ctx context.Context, req mgmt.Request, refuseArgv bool) (any, error) {
	switch req.Cmd {
	case mgmt.CmdCreateCluster:
		var args mgmt.CreateCluster
		if err := json.Unmarshal(req.Args, &args); err != nil {
			return nil, mgmt.WrongParameters
		}
		return n.createCluster(ctx, args)
	case mgmt.CmdQueryCluster:
		return n.queryCluster()
	}
	o, err := n.masterOffice()
	if err != nil {
		return nil, err
	}
	c := call{ctx: ctx, office: o, argv: !refuseArgv && n.opt.conf("cli_password_allowed") != "0"}
	if req.Cmd == mgmt.CmdLogin {
		var args mgmt.Login
		if err := json.Unmarshal(req.Args, &args); err != nil {
			return nil, mgmt.WrongParameters
		}
		return o.login(c, args)
	}
	h, ok := handlers[req.Cmd]
	if !ok {
		return nil, mgmt.WrongParameters
	}
	id, ok := n.sessions.user(req.Session)
	if !ok {
		return nil, mgmt.InvalidSession
	}
	if c.user, err = o.state.Load().user(mgmt.Ref{ID: id}); err != nil {
		return nil, mgmt.InvalidSession
	}
	if c.user.NeedNewPass && req.Cmd != mgmt.CmdSetPassword && req.Cmd != mgmt.CmdLogout {
		return nil, mgmt.ChangePassword
	}
	if !h.right.allows(c.user.Role) {
		return nil, mgmt.NoPermission
	}
	c.token = req.Session
	return h.run(c, req.Args)
}

// masterOffice tells why this node can't answer if it isn't a serving master.
func (n *Node) masterOffice() (*office, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.office != nil && n.office.serving.Load():
		return n.office, nil
	case n.voter == nil && n.opt.isManager():
		return nil, mgmt.WrongClusterState
	case n.voter == nil:
		return nil, mgmt.NotAttached
	case !n.voter.Config.isVoter(n.voter.Self):
		return nil, mgmt.OnStandby
	case n.follows != "" && n.bound():
		return nil, mgmt.OnSlave
	}
	return nil, mgmt.WrongClusterState
}

// queryCluster works on any member: those that aren't master show what the master last told.
func (n *Node) queryCluster() (mgmt.Cluster, error) {
	n.mu.Lock()
	o, picture, voter := n.office, n.picture, n.voter
	follows := voter != nil && n.follows != "" && n.bound()
	n.mu.Unlock()
	switch {
	case voter == nil && !n.opt.isManager():
		return mgmt.Cluster{}, mgmt.NotAttached
	case o != nil && o.serving.Load():
		return o.cluster(), nil
	case follows:
		return picture, nil
	}
	return mgmt.Cluster{}, mgmt.WrongClusterState
}

var handlers map[string]handler

func init() {
	handlers = map[string]handler{
		mgmt.CmdLogout:      query(anyone, (call).logout),
		mgmt.CmdSetPassword: query(anyone, (call).setPassword),
		mgmt.CmdView:        query(anyone, (call).view),

		mgmt.CmdAddStandby:    query(administer, (call).addStandby),
		mgmt.CmdRemoveStandby: query(administer, (call).removeStandby),
		mgmt.CmdSwitchMode:    query(administer, (call).switchMode),
		mgmt.CmdSwitchMaster:  query(administer, (call).switchMaster),
		mgmt.CmdRenameMDM:     query(administer, (call).renameMDM),
		mgmt.CmdRenameSystem:  query(administer, (call).renameSystem),
		mgmt.CmdModifySystem:  change(administer, modifySystem),

		mgmt.CmdAddDomain:      change(backEnd, addDomain),
		mgmt.CmdRenameDomain:   change(backEnd, renameDomain),
		mgmt.CmdRemoveDomain:   change(backEnd, removeDomain),
		mgmt.CmdAddPool:        change(backEnd, addPool),
		mgmt.CmdModifyPool:     change(backEnd, modifyPool),
		mgmt.CmdRemovePool:     change(backEnd, removePool),
		mgmt.CmdAddFaultSet:    change(backEnd, addFaultSet),
		mgmt.CmdRenameFaultSet: change(backEnd, renameFaultSet),
		mgmt.CmdRemoveFaultSet: change(backEnd, removeFaultSet),
		mgmt.CmdAddSDS:         query(backEnd, (call).addSDS),
		mgmt.CmdModifySDS:      change(backEnd, modifySDS),
		mgmt.CmdRemoveSDS:      change(backEnd, removeSDS),
		mgmt.CmdMaintenance:    query(backEnd, (call).maintenance),
		mgmt.CmdAddDevice:      query(backEnd, (call).addDevice),
		mgmt.CmdModifyDevice:   change(backEnd, modifyDevice),
		mgmt.CmdRemoveDevice:   change(backEnd, removeDevice),

		mgmt.CmdAddVolume:    change(frontEnd, addVolume),
		mgmt.CmdRenameVolume: change(frontEnd, renameVolume),
		mgmt.CmdGrowVolume:   change(frontEnd, growVolume),
		mgmt.CmdRemoveVolume: change(frontEnd, removeVolume),
		mgmt.CmdMapVolume:    change(frontEnd, mapVolume),
		mgmt.CmdUnmapVolume:  query(frontEnd, (call).unmapVolume),
		mgmt.CmdApproveSDC:   change(frontEnd, approveSDC),
		mgmt.CmdRenameSDC:    change(frontEnd, renameSDC),
		mgmt.CmdRemoveSDC:    query(frontEnd, (call).removeSDC),

		mgmt.CmdAddUser:       change(administer, addUser),
		mgmt.CmdSetUserRole:   change(administer, setUserRole),
		mgmt.CmdResetPassword: query(administer, (call).resetPassword),
		mgmt.CmdDeleteUser:    query(administer, (call).deleteUser),
	}
}
