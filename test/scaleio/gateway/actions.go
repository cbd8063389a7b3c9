package gateway

import (
	"strings"

	"scaleio-framework/test/scaleio/mgmt"
)

type action func(r *request, id string) (any, error)

// does is an action that answers with nothing.
func does(cmd string, args func(b fields, id string) any) action {
	return func(r *request, id string) (any, error) { return nil, r.call(cmd, args(r.body, id), nil) }
}

func pool(change func(b fields, m *mgmt.ModifyPool)) action {
	return does(mgmt.CmdModifyPool, func(b fields, id string) any {
		m := mgmt.ModifyPool{Of: byID(id)}
		change(b, &m)
		return m
	})
}

func sds(change func(b fields, m *mgmt.ModifySDS)) action {
	return does(mgmt.CmdModifySDS, func(b fields, id string) any {
		m := mgmt.ModifySDS{Of: byID(id)}
		change(b, &m)
		return m
	})
}

func device(change func(b fields, m *mgmt.ModifyDevice)) action {
	return does(mgmt.CmdModifyDevice, func(b fields, id string) any {
		m := mgmt.ModifyDevice{Of: mgmt.DeviceRef{ID: id}}
		change(b, &m)
		return m
	})
}

func rename(cmd, field string) action {
	return does(cmd, func(b fields, id string) any { return mgmt.Rename{Of: byID(id), New: b.text(field)} })
}

func byRef(cmd string) action { return does(cmd, func(_ fields, id string) any { return byID(id) }) }

// accepted changes nothing that the stand-in has: limits of bandwidth and the like.
func accepted(r *request, id string) (any, error) {
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	kind, _ := r.target()
	_, err = one(v, kind, id)
	return nil, err
}

func on(value bool) *bool { return &value }

var actions map[string]action

func init() {
	actions = map[string]action{
		"ProtectionDomain/removeProtectionDomain":    byRef(mgmt.CmdRemoveDomain),
		"ProtectionDomain/setProtectionDomainName":   rename(mgmt.CmdRenameDomain, "name"),
		"ProtectionDomain/setSdsNetworkLimits":       accepted,
		"ProtectionDomain/activateProtectionDomain":  accepted,
		"ProtectionDomain/enableSdsRfcache":          accepted,
		"ProtectionDomain/disableSdsRfcache":         accepted,
		"StoragePool/removeStoragePool":              byRef(mgmt.CmdRemovePool),
		"StoragePool/setStoragePoolName":             pool(func(b fields, m *mgmt.ModifyPool) { m.Name = b.textPointer("name") }),
		"StoragePool/setMediaType":                   pool(func(b fields, m *mgmt.ModifyPool) { m.MediaType = b.textPointer("mediaType") }),
		"StoragePool/setSparePercentage":             pool(func(b fields, m *mgmt.ModifyPool) { m.SparePercent = b.numberPointer("sparePercentage") }),
		"StoragePool/setZeroPaddingPolicy":           pool(func(b fields, m *mgmt.ModifyPool) { m.ZeroPadding = b.flagPointer("zeroPadEnabled") }),
		"StoragePool/setUseRmcache":                  pool(func(b fields, m *mgmt.ModifyPool) { m.RMCache = b.flagPointer("useRmcache") }),
		"StoragePool/setRmcacheWriteHandlingMode":    pool(func(b fields, m *mgmt.ModifyPool) { m.RMCacheWrite = b.textPointer("rmcacheWriteHandlingMode") }),
		"StoragePool/enableRfcache":                  pool(func(_ fields, m *mgmt.ModifyPool) { m.RFCache = on(true) }),
		"StoragePool/disableRfcache":                 pool(func(_ fields, m *mgmt.ModifyPool) { m.RFCache = on(false) }),
		"StoragePool/setChecksumEnabled":             pool(func(b fields, m *mgmt.ModifyPool) { m.Checksum = b.flagPointer("checksumEnabled") }),
		"StoragePool/setRebuildEnabled":              pool(func(b fields, m *mgmt.ModifyPool) { m.Rebuild = b.flagPointer("rebuildEnabled") }),
		"StoragePool/setRebalanceEnabled":            pool(func(b fields, m *mgmt.ModifyPool) { m.Rebalance = b.flagPointer("rebalanceEnabled") }),
		"StoragePool/setRebuildRebalanceParallelism": pool(func(b fields, m *mgmt.ModifyPool) { m.ParallelJobs = b.numberPointer("limit") }),
		"StoragePool/setRebuildIoPriorityPolicy":     accepted,
		"StoragePool/setRebalanceIoPriorityPolicy":   accepted,
		"StoragePool/setCapacityAlertThresholds": pool(func(b fields, m *mgmt.ModifyPool) {
			m.HighPercent, m.CriticalPercent = b.numberPointer("capacityAlertHighThresholdPercent"), b.numberPointer("capacityAlertCriticalThresholdPercent")
		}),
		"StoragePool/setVTreeMigrationIoPriorityPolicy":           accepted,
		"StoragePool/setProtectedMaintenanceModeIoPriorityPolicy": accepted,
		"FaultSet/removeFaultSet":                                 byRef(mgmt.CmdRemoveFaultSet),
		"FaultSet/setFaultSetName":                                rename(mgmt.CmdRenameFaultSet, "newName"),
		"FaultSet/setSdsPerformanceParameters":                    accepted,
		"Sds/removeSds":                                           byRef(mgmt.CmdRemoveSDS),
		"Sds/setSdsName":                                          sds(func(b fields, m *mgmt.ModifySDS) { m.Name = b.textPointer("name") }),
		"Sds/setSdsPort":                                          sds(func(b fields, m *mgmt.ModifySDS) { m.Port = b.numberPointer("sdsPort") }),
		"Sds/addSdsIp":                                            sds(func(b fields, m *mgmt.ModifySDS) { m.AddIP = &mgmt.SDSIP{IP: b.text("ip"), Role: b.text("role")} }),
		"Sds/setSdsIpRole": sds(func(b fields, m *mgmt.ModifySDS) {
			m.SetIPRole = &mgmt.SDSIP{IP: b.text("sdsIpToSet"), Role: b.text("newRole")}
		}),
		"Sds/removeSdsIp":                     sds(func(b fields, m *mgmt.ModifySDS) { m.RemoveIP = b.textPointer("ip") }),
		"Sds/setSdsRmcacheEnabled":            sds(func(b fields, m *mgmt.ModifySDS) { m.RMCache = b.flagPointer("rmcacheEnabled") }),
		"Sds/setSdsRmcacheSize":               sds(func(b fields, m *mgmt.ModifySDS) { m.RMCacheKB = kbOfMB(b.numberPointer("rmcacheSizeInMB")) }),
		"Sds/setSdsPerformanceParameters":     sds(func(b fields, m *mgmt.ModifySDS) { m.PerfProfile = b.textPointer("perfProfile") }),
		"Sds/setDrlMode":                      accepted,
		"Device/removeDevice":                 does(mgmt.CmdRemoveDevice, func(b fields, id string) any { return mgmt.DeviceRef{ID: id, Force: b.flag("forceRemove")} }),
		"Device/setDeviceName":                device(func(b fields, m *mgmt.ModifyDevice) { m.Name = b.textPointer("newName") }),
		"Device/setMediaType":                 device(func(b fields, m *mgmt.ModifyDevice) { m.MediaType = b.textPointer("mediaType") }),
		"Device/setDeviceCapacityLimit":       device(func(b fields, m *mgmt.ModifyDevice) { m.LimitBytes = bytesOfGB(b.numberPointer("capacityLimitInGB")) }),
		"Device/updateDeviceOriginalPathname": device(func(_ fields, m *mgmt.ModifyDevice) { m.UpdateOriginalPath = true }),
		"Sdc/setSdcName":                      rename(mgmt.CmdRenameSDC, "sdcName"),
		"Sdc/removeSdc":                       byRef(mgmt.CmdRemoveSDC),
		"Sdc/setSdcPerformanceParameters":     accepted,
		"Volume/addMappedSdc":                 does(mgmt.CmdMapVolume, mapping),
		"Volume/removeMappedSdc":              does(mgmt.CmdUnmapVolume, mapping),
		"Volume/setMappedSdcLimits":           accepted,
		"Volume/removeVolume":                 byRef(mgmt.CmdRemoveVolume),
		"Volume/setVolumeName":                rename(mgmt.CmdRenameVolume, "newName"),
		"Volume/setVolumeSize":                growVolume,
		"User/removeUser":                     byRef(mgmt.CmdDeleteUser),
		"User/setUserRole":                    does(mgmt.CmdSetUserRole, func(b fields, id string) any { return mgmt.SetUserRole{Of: byID(id), Role: b.text("userRole")} }),
		"User/resetPassword":                  resetPassword,
		"User/setPassword": does(mgmt.CmdSetPassword, func(b fields, _ string) any {
			return mgmt.SetPassword{Old: b.text("oldPassword"), New: b.text("newPassword")}
		}),
		"System/addStandbyMdm":               addStandby,
		"System/removeStandbyMdm":            does(mgmt.CmdRemoveStandby, bodyID),
		"System/switchClusterMode":           switchMode,
		"System/changeMdmOwnership":          does(mgmt.CmdSwitchMaster, bodyID),
		"System/renameMdm":                   does(mgmt.CmdRenameMDM, func(b fields, _ string) any { return mgmt.Rename{Of: byID(b.text("id")), New: b.text("newName")} }),
		"System/setSystemName":               rename(mgmt.CmdRenameSystem, "newName"),
		"System/setMdmPerformanceParameters": does(mgmt.CmdModifySystem, func(b fields, _ string) any { return mgmt.ModifySystem{PerfProfile: b.textPointer("perfProfile")} }),
		"System/setRestrictedSdcMode": does(mgmt.CmdModifySystem, func(b fields, _ string) any {
			return mgmt.ModifySystem{RestrictedSDC: b.textPointer("restrictedSdcMode")}
		}),
		"System/approveSdc": approveSDC,
	}
}

func bodyID(b fields, _ string) any { return byID(b.text("id")) }

func kbOfMB(mb *int) *int {
	if mb == nil {
		return nil
	}
	kb := *mb << 10
	return &kb
}

func bytesOfGB(gb *int) *int64 {
	if gb == nil {
		return nil
	}
	bytes := int64(*gb) << 30
	return &bytes
}

func (s *Server) act(r *request) (any, error) {
	kind, id := r.target()
	fn := actions[kind+"/"+r.PathValue("action")]
	if fn == nil {
		return nil, errNotFound
	}
	return fn(r, id)
}

func mapping(b fields, id string) any {
	mode := b.text("accessMode")
	if mode == "" {
		mode = "ReadWrite"
	}
	return mgmt.MapVolume{Volume: byID(id), SDC: mgmt.Ref{ID: b.text("sdcId"), GUID: strings.ToUpper(b.text("guid"))}, AllSDCs: b.text("allSdcs") != "" && !strings.EqualFold(b.text("allSdcs"), "false"),
		AllowMulti: b.flag("allowMultipleMappings"), AccessMode: mode}
}

func growVolume(r *request, id string) (any, error) {
	gb, err := r.body.number("sizeInGB")
	if err != nil {
		return nil, err
	}
	return nil, r.call(mgmt.CmdGrowVolume, mgmt.GrowVolume{Of: byID(id), SizeBytes: gb << 30}, nil)
}

func resetPassword(r *request, id string) (any, error) {
	var made mgmt.NewPassword
	if err := r.call(mgmt.CmdResetPassword, byID(id), &made); err != nil {
		return nil, err
	}
	return object{"password": made.Password}, nil
}

func addStandby(r *request, _ string) (any, error) {
	b := r.body
	if err := b.need("ips", "role"); err != nil {
		return nil, err
	}
	args := mgmt.AddStandby{Name: b.text("name"), IPs: b.list("ips"), ManagementIPs: b.list("managementIps"), Manager: b.text("role") == "Manager",
		VirtualInterfaces: b.list("virtIpIntfs"), ForceClean: b.flag("forceClean")}
	if port := b.numberPointer("port"); port != nil {
		args.Port = *port
	}
	return r.made(mgmt.CmdAddStandby, args)
}

func switchMode(r *request, _ string) (any, error) {
	nodes, ok := map[string]int{"OneNode": 1, "ThreeNodes": 3, "FiveNodes": 5}[r.body.text("mode")]
	if !ok {
		return nil, missing("mode")
	}
	refs := func(name string) []mgmt.Ref {
		var list []mgmt.Ref
		for _, id := range r.body.list(name) {
			list = append(list, byID(id))
		}
		return list
	}
	return nil, r.call(mgmt.CmdSwitchMode, mgmt.SwitchMode{Nodes: nodes, AddSlaves: refs("addSlaveMdmIdList"), AddTBs: refs("addTBIdList"),
		RemoveSlaves: refs("removeSlaveMdmIdList"), RemoveTBs: refs("removeTBIdList")}, nil)
}

func approveSDC(r *request, _ string) (any, error) {
	args := mgmt.ApproveSDC{GUID: strings.ToUpper(r.body.text("sdcGuid")), IP: r.body.text("sdcIp"), Name: r.body.text("name")}
	return r.made(mgmt.CmdApproveSDC, args)
}
