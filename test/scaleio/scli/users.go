package scli

import (
	"strings"

	"scaleio-framework/test/scaleio/mgmt"
)

func (r *run) addUser() error {
	var made mgmt.NewPassword
	if err := r.call(mgmt.CmdAddUser, mgmt.AddUser{Name: r.get("username"), Role: r.get("user_role")}, &made); err != nil {
		return err
	}
	r.print("User %s was created. The temporary password is '%s'. It must be changed at the first login.", r.get("username"), made.Password)
	return nil
}

func (r *run) resetPassword() error {
	var made mgmt.NewPassword
	if err := r.call(mgmt.CmdResetPassword, mgmt.Ref{Name: r.get("username")}, &made); err != nil {
		return err
	}
	r.print("Password of user %s was reset. The temporary password is '%s'. It must be changed at the first login.", r.get("username"), made.Password)
	return nil
}

func (r *run) deleteUser() error {
	if err := r.call(mgmt.CmdDeleteUser, mgmt.Ref{Name: r.get("username")}, nil); err != nil {
		return err
	}
	r.print("User %s was deleted successfully.", r.get("username"))
	return nil
}

func (r *run) queryUsers() error {
	v, err := r.view()
	if err != nil {
		return err
	}
	r.print("System has %d users", len(v.Users))
	r.print("ID               Role    Need-New-Pass   User Name\n%s", strings.Repeat("-", 60))
	for _, u := range v.Users {
		need := "No"
		if u.NeedNewPass {
			need = "Yes"
		}
		r.print("%s %-13s %-12s%s", u.ID, u.Role, need, u.Name)
	}
	return nil
}
