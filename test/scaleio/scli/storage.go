package scli

import (
	"strings"

	"scaleio-framework/test/scaleio/mgmt"
)

var ipRoles = map[string]string{"all": "all", "sds_only": "sdsOnly", "sdc_only": "sdcOnly"}

func (r *run) addSDS() error {
	args := mgmt.AddSDS{Domain: r.ref("protection_domain"), Name: r.get("sds_name"), FaultSet: r.ref("fault_set"), ForceClean: r.has("force_clean")}
	if args.Domain.Empty() {
		return usageError{r.command.name}
	}
	args.FaultSet.Domain = &args.Domain
	roles := r.list("sds_ip_role")
	for i, ip := range r.list("sds_ip") {
		role := "all"
		if i < len(roles) {
			role = ipRoles[roles[i]]
		}
		args.IPs = append(args.IPs, mgmt.SDSIP{IP: ip, Role: role})
	}
	if r.has("sds_port") {
		port, err := r.number("sds_port")
		if err != nil {
			return err
		}
		args.Port = port
	}
	// One pool takes all devices; else there must be as many pools as devices.
	pools, paths, names := r.list("storage_pool_name"), r.list("device_path"), r.list("device_name")
	if len(paths) > 0 && len(pools) != 1 && len(pools) != len(paths) {
		return usageError{r.command.name}
	}
	for i, path := range paths {
		d := mgmt.NewDevice{Path: path, Pool: mgmt.Ref{Name: pools[min(i, len(pools)-1)], Domain: &args.Domain}}
		if i < len(names) {
			d.Name = names[i]
		}
		args.Devices = append(args.Devices, d)
	}
	if args.ForceClean && !r.has("i_am_sure") && !r.sure() {
		return failure("The operation was not confirmed")
	}
	return r.made(mgmt.CmdAddSDS, args, "Successfully created SDS "+args.Name)
}

func (r *run) removeSDS() error {
	return r.done(mgmt.CmdRemoveSDS, r.ref("sds"), "SDS is being removed. The operation will continue asynchronously.")
}

func (r *run) renameSDS() error {
	name := r.get("new_name")
	return r.done(mgmt.CmdModifySDS, mgmt.ModifySDS{Of: r.ref("sds"), Name: &name}, "Successfully renamed SDS to %s", name)
}

func (r *run) addDevice() error {
	for _, path := range strings.Split(r.get("device_path"), ",") {
		var id mgmt.ID
		err := r.call(mgmt.CmdAddDevice, mgmt.AddDevice{SDS: r.ref("sds"), Pool: r.poolRef(), Path: path, Name: r.get("device_name"),
			Takeover: r.has("force_device_takeover")}, &id)
		if err != nil {
			return err
		}
		r.print("Successfully added device %s to SDS. New device ID: %s", path, id.ID)
	}
	return nil
}

func (r *run) removeDevice() error {
	return r.done(mgmt.CmdRemoveDevice, mgmt.DeviceRef{ID: r.get("device_id"), SDS: r.ref("sds"), Path: r.get("device_path"), Name: r.get("device_name")},
		"Device is being removed. The operation will continue asynchronously.")
}

func (r *run) enterMaintenance() error {
	return r.done(mgmt.CmdMaintenance, mgmt.Maintenance{Of: r.ref("sds"), Enter: true}, "Successfully entered maintenance mode.")
}

func (r *run) exitMaintenance() error {
	return r.done(mgmt.CmdMaintenance, mgmt.Maintenance{Of: r.ref("sds")}, "Successfully exited maintenance mode.")
}

const grainGB = 8

// roundedGB: scli rounds up to whole 8 GB and says so; REST refuses instead.
func (r *run) roundedGB() (int, error) {
	gb, err := r.number("size_gb")
	if err != nil {
		return 0, err
	}
	rounded := (gb + grainGB - 1) / grainGB * grainGB
	if rounded != gb {
		r.print("Warning: Rounding up the volume size to %d GB", rounded)
	}
	return rounded, nil
}

func (r *run) addVolume() error {
	gb, err := r.roundedGB()
	if err != nil {
		return err
	}
	var id mgmt.ID
	err = r.call(mgmt.CmdAddVolume, mgmt.AddVolume{Pool: r.poolRef(), Name: r.get("volume_name"), SizeBytes: int64(gb) << 30,
		Thick: !r.has("thin_provisioned"), RMCache: !r.has("dont_use_rmcache")}, &id)
	if err != nil {
		return err
	}
	r.print("Successfully created volume of size %d GB. Object ID %s", gb, id.ID)
	return nil
}

func (r *run) growVolume() error {
	gb, err := r.roundedGB()
	if err != nil {
		return err
	}
	return r.done(mgmt.CmdGrowVolume, mgmt.GrowVolume{Of: r.ref("volume"), SizeBytes: int64(gb) << 30}, "Successfully modified volume size to %d GB", gb)
}

func (r *run) renameVolume() error {
	return r.done(mgmt.CmdRenameVolume, mgmt.Rename{Of: r.ref("volume"), New: r.get("new_name")}, "Successfully renamed volume to %s", r.get("new_name"))
}

func (r *run) removeVolume() error {
	var id mgmt.ID
	if err := r.call(mgmt.CmdRemoveVolume, r.ref("volume"), &id); err != nil {
		return err
	}
	r.print("Successfully removed volume ID %s", id.ID)
	return nil
}

func (r *run) mapVolume() error {
	var m mgmt.Mapped
	err := r.call(mgmt.CmdMapVolume, mgmt.MapVolume{Volume: r.ref("volume"), SDC: r.ref("sdc"), AllowMulti: r.has("allow_multi_map"), AccessMode: "ReadWrite"}, &m)
	if err != nil {
		return err
	}
	for _, sdc := range m.SDCs {
		r.print("Successfully mapped volume with ID %s to SDC with ID %s.", m.Volume, sdc)
	}
	return nil
}

func (r *run) unmapVolume() error {
	var m mgmt.Mapped
	if err := r.call(mgmt.CmdUnmapVolume, mgmt.MapVolume{Volume: r.ref("volume"), SDC: r.ref("sdc"), AllSDCs: r.has("all_sdc")}, &m); err != nil {
		return err
	}
	for _, sdc := range m.SDCs {
		r.print("Successfully un-mapped volume with ID %s from SDC with ID %s.", m.Volume, sdc)
	}
	return nil
}

func (r *run) addSDC() error {
	return r.made(mgmt.CmdApproveSDC, mgmt.ApproveSDC{GUID: strings.ToUpper(r.get("sdc_guid")), IP: r.get("sdc_ip"), Name: r.get("sdc_name")}, "Successfully approved SDC")
}

func (r *run) renameSDC() error {
	return r.done(mgmt.CmdRenameSDC, mgmt.Rename{Of: r.ref("sdc"), New: r.get("new_name")}, "Successfully renamed SDC to %s", r.get("new_name"))
}

func (r *run) removeSDC() error {
	return r.done(mgmt.CmdRemoveSDC, r.ref("sdc"), "Successfully removed SDC")
}
