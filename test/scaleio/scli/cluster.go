package scli

import "scaleio-framework/test/scaleio/mgmt"

func (r *run) createCluster() error {
	ips := r.list("master_mdm_ip")
	host := ips[0]
	if r.get("mdm_ip") != "" {
		host = r.get("mdm_ip")
	}
	if !r.has("accept_license") {
		return failure("The license must be accepted (--accept_license)")
	}
	if err := r.single(host); err != nil {
		return err
	}
	err := r.call(mgmt.CmdCreateCluster, mgmt.CreateCluster{Name: r.get("master_mdm_name"), IPs: ips, ManagementIPs: r.list("master_mdm_management_ip"),
		VirtualIPs: r.list("cluster_virtual_ip"), VirtualInterfaces: r.list("master_mdm_virtual_ip_interface"), AcceptLicense: true}, nil)
	if err != nil {
		return err
	}
	r.print("Successfully created the MDM Cluster.")
	return nil
}

// login asks for the password on the terminal unless it is on the command line.
func (r *run) login() error {
	args := mgmt.Login{User: r.get("username"), Password: r.get("password"), OnArgv: r.has("password")}
	if !args.OnArgv {
		answers, err := r.askPasswords("Enter password: ")
		if err != nil {
			return err
		}
		args.Password = answers[0]
	}
	var in mgmt.LoggedIn
	if err := r.call(mgmt.CmdLogin, args, &in); err != nil {
		return err
	}
	if err := r.store.save(in.Session); err != nil {
		return err
	}
	r.print("Logged in. User role is %s. System ID is %s", in.Role, in.SystemID)
	return nil
}

func (r *run) logout() error {
	err := r.call(mgmt.CmdLogout, nil, nil)
	r.store.forget()
	if err != nil {
		return err
	}
	r.print("Logged out.")
	return nil
}

func (r *run) setPassword() error {
	args := mgmt.SetPassword{Old: r.get("old_password"), New: r.get("new_password"), OnArgv: r.has("old_password") || r.has("new_password")}
	if !args.OnArgv {
		answers, err := r.askPasswords("Enter old password: ", "Enter new password: ", "Confirm new password: ")
		if err != nil {
			return err
		}
		if answers[1] != answers[2] {
			return failure("The passwords do not match")
		}
		args.Old, args.New = answers[0], answers[1]
	}
	if err := r.call(mgmt.CmdSetPassword, args, nil); err != nil {
		return err
	}
	r.print("Password changed successfully.")
	return nil
}

func (r *run) addStandby() error {
	role := r.get("mdm_role")
	if role != "manager" && role != "tb" {
		return usageError{r.command.name}
	}
	args := mgmt.AddStandby{Name: r.get("new_mdm_name"), IPs: r.list("new_mdm_ip"), ManagementIPs: r.list("new_mdm_management_ip"),
		Manager: role == "manager", VirtualInterfaces: r.list("new_mdm_virtual_ip_interface"), ForceClean: r.has("force_clean")}
	if r.has("new_mdm_port") {
		port, err := r.number("new_mdm_port")
		if err != nil {
			return err
		}
		args.Port = port
	}
	if args.ForceClean && !r.has("i_am_sure") && !r.sure() {
		return failure("The operation was not confirmed")
	}
	var id mgmt.ID
	if err := r.call(mgmt.CmdAddStandby, args, &id); err != nil {
		return err
	}
	r.print("Successfully added a standby MDM. Object ID %s", id.ID)
	return nil
}

// sure asks where only one form of a command is dangerous.
func (r *run) sure() bool {
	r.print("Forcing may destroy the configuration of another system. Press 'y' and then Enter to confirm.")
	return r.confirmed()
}

func (r *run) removeStandby() error {
	if err := r.call(mgmt.CmdRemoveStandby, r.ref("remove_mdm"), nil); err != nil {
		return err
	}
	r.print("Successfully removed the standby MDM.")
	return nil
}

var modes = map[string]int{"1_node": 1, "3_node": 3, "5_node": 5}

func (r *run) switchMode() error {
	nodes, ok := modes[r.get("cluster_mode")]
	if !ok {
		return usageError{r.command.name}
	}
	err := r.call(mgmt.CmdSwitchMode, mgmt.SwitchMode{Nodes: nodes, AddSlaves: r.refs("add_slave_mdm"), AddTBs: r.refs("add_tb"),
		RemoveSlaves: r.refs("remove_slave_mdm"), RemoveTBs: r.refs("remove_tb")}, nil)
	if err != nil {
		return err
	}
	r.print("Successfully switched the cluster mode.")
	return nil
}

// refs reads a comma list in whichever twin was given.
func (r *run) refs(stem string) []mgmt.Ref {
	var refs []mgmt.Ref
	for _, name := range r.list(stem + "_name") {
		refs = append(refs, mgmt.Ref{Name: name})
	}
	for _, ip := range r.list(stem + "_ip") {
		refs = append(refs, mgmt.Ref{IP: ip})
	}
	for _, id := range r.list(stem + "_id") {
		refs = append(refs, mgmt.Ref{ID: id})
	}
	return refs
}

func (r *run) switchMaster() error {
	if err := r.call(mgmt.CmdSwitchMaster, r.ref("new_master_mdm"), nil); err != nil {
		return err
	}
	r.store.forget()
	r.print("Successfully switched the MDM ownership.")
	return nil
}

func (r *run) renameMDM() error {
	if err := r.call(mgmt.CmdRenameMDM, mgmt.Rename{Of: r.ref("mdm"), New: r.get("new_name")}, nil); err != nil {
		return err
	}
	r.print("Successfully renamed MDM to %s", r.get("new_name"))
	return nil
}

func (r *run) renameSystem() error {
	if err := r.call(mgmt.CmdRenameSystem, mgmt.Rename{New: r.get("new_name")}, nil); err != nil {
		return err
	}
	r.print("Successfully renamed system to %s", r.get("new_name"))
	return nil
}
