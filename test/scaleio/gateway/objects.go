package gateway

import (
	"time"

	"scaleio-framework/test/scaleio/mgmt"
)

// object is what REST shows of one; clients navigate by its links.
type object map[string]any

type link struct {
	Rel  string `json:"rel"`
	HREF string `json:"href"`
}

func self(kind, id string, relations ...string) []link {
	href := "/api/instances/" + kind + "::" + id
	links := []link{{"self", href}}
	for _, r := range relations {
		links = append(links, link{"/api/" + kind + "/relationship/" + r, href + "/relationships/" + r})
	}
	return links
}

func parent(attribute, kind, id string) link {
	return link{"/api/parent/relationship/" + attribute, "/api/instances/" + kind + "::" + id}
}

// orNull: the product shows what was never named as null.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func systemObject(v mgmt.View) object {
	s := v.System
	return object{"id": s.ID, "name": orNull(s.Name), "systemVersionName": "DellEMC ScaleIO Version: " + mgmt.VersionName, "installId": s.InstallationID, "swid": "",
		"daysInstalled": int(time.Since(s.Created).Hours() / 24), "maxCapacityInGb": "Unlimited", "capacityTimeLeftInDays": "Unlimited", "isInitialLicense": true,
		"enterpriseFeaturesEnabled": true, "capacityAlertHighThresholdPercent": s.HighPercent, "capacityAlertCriticalThresholdPercent": s.CriticalPercent,
		"upgradeState": "NoUpgrade", "remoteReadOnlyLimitState": false, "restrictedSdcModeEnabled": s.RestrictedSDC != "None", "restrictedSdcMode": s.RestrictedSDC,
		"mdmManagementPort": 6611, "mdmToSdsPolicy": "Authentication", "authenticationMethod": "Native", "cliPasswordAllowed": s.CLIPasswordAllowed,
		"managementClientSecureCommunicationEnabled": true, "tlsVersion": "TLSv1.2", "showGuid": true, "perfProfile": s.PerfProfile, "mdmCluster": clusterObject(v.Cluster),
		"links": self("System", s.ID, "Statistics", "ProtectionDomain", "Sdc", "User")}
}

func clusterObject(c mgmt.Cluster) object {
	mode := map[int]string{1: "OneNode", 3: "ThreeNodes", 5: "FiveNodes"}[c.Nodes]
	state := "ClusteredNormal"
	switch {
	case c.Nodes == 1:
		state = "NotClustered"
	case c.Degraded:
		state = "ClusteredDegraded"
	}
	o := object{"id": c.SystemID, "name": orNull(c.SystemName), "clusterMode": mode, "clusterState": state, "goodNodesNum": c.Active, "goodReplicasNum": c.Replicas,
		"virtualIps": list(c.VirtualIPs), "perfProfile": "HighPerformance"}
	slaves, tieBreakers, standbys := []object{}, []object{}, []object{}
	for _, m := range c.Members {
		switch x := mdmObject(m); m.Kind {
		case mgmt.Master:
			o["master"] = x
		case mgmt.Slave:
			slaves = append(slaves, x)
		case mgmt.TieBreaker:
			tieBreakers = append(tieBreakers, x)
		default:
			standbys = append(standbys, x)
		}
	}
	o["slaves"], o["tieBreakers"], o["standbyMDMs"] = slaves, tieBreakers, standbys
	return o
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func mdmObject(m mgmt.Member) object {
	role, ssl, management := "TieBreaker", "N/A", m.ManagementIPs
	if m.Manager {
		role, ssl = "Manager", "OpenSSL 1.0.2k-fips  26 Jan 2017"
		if len(management) == 0 {
			management = m.IPs
		}
	}
	status := map[string]string{"Normal": "Normal", "Not synchronized": "NotSynchronized"}[m.Status]
	if status == "" {
		status = "Disconnected"
	}
	return object{"id": m.ID, "name": orNull(m.Name), "role": role, "status": status, "port": m.Port, "ips": list(m.IPs), "managementIPs": list(management),
		"virtualInterfaces": list(m.VirtualInterfaces), "versionInfo": mgmt.VersionName, "opensslVersion": ssl}
}

func domainObject(v mgmt.View, d mgmt.Domain) object {
	return object{"id": d.ID, "name": d.Name, "systemId": v.System.ID, "protectionDomainState": "Active", "rfcacheEnabled": false,
		"links": append(self("ProtectionDomain", d.ID, "Statistics", "StoragePool", "Sds", "FaultSet"), parent("systemId", "System", v.System.ID))}
}

func poolObject(p mgmt.Pool) object {
	return object{"id": p.ID, "name": p.Name, "protectionDomainId": p.Domain, "mediaType": p.MediaType, "dataLayout": "MediumGranularity",
		"sparePercentage": p.SparePercent, "zeroPaddingEnabled": p.ZeroPadding, "useRmcache": p.RMCache, "useRfcache": p.RFCache, "rmcacheWriteHandlingMode": p.RMCacheWrite,
		"checksumEnabled": p.Checksum, "rebuildEnabled": p.Rebuild, "rebalanceEnabled": p.Rebalance, "numOfParallelRebuildRebalanceJobsPerDevice": p.ParallelJobs,
		"capacityAlertHighThreshold": p.HighPercent, "capacityAlertCriticalThreshold": p.CriticalPercent, "backgroundScannerMode": p.Scanner,
		"rebuildIoPriorityPolicy": "limitNumOfConcurrentIos", "rebuildIoPriorityNumOfConcurrentIosPerDevice": 1, "rebalanceIoPriorityPolicy": "favorAppIos",
		"rebalanceIoPriorityBwLimitPerDeviceInKbps": 10240, "rebalanceIoPriorityNumOfConcurrentIosPerDevice": 1, "rebuildIoPriorityBwLimitPerDeviceInKbps": nil,
		"links": append(self("StoragePool", p.ID, "Statistics", "Volume", "Device", "SpSds"), parent("protectionDomainId", "ProtectionDomain", p.Domain))}
}

func faultSetObject(f mgmt.FaultSet) object {
	return object{"id": f.ID, "name": f.Name, "protectionDomainId": f.Domain,
		"links": append(self("FaultSet", f.ID, "Statistics", "Sds"), parent("protectionDomainId", "ProtectionDomain", f.Domain))}
}

func sdsObject(x mgmt.SDS) object {
	ips := []object{}
	for _, ip := range x.IPs {
		ips = append(ips, object{"ip": ip.IP, "role": ip.Role})
	}
	state := map[bool]string{true: "RemovePending", false: "Normal"}[x.Removing]
	return object{"id": x.ID, "name": orNull(x.Name), "protectionDomainId": x.Domain, "faultSetId": orNull(x.FaultSet), "ipList": ips, "port": x.Port,
		"sdsState": state, "membershipState": "Joined", "mdmConnectionState": connection(x.Connected), "drlMode": "Volatile", "configuredDrlMode": "Volatile",
		"maintenanceState": map[bool]string{true: "InMaintenance", false: "NoMaintenance"}[x.Maintenance],
		"maintenanceType":  map[bool]string{true: "InstantMaintenanceMode", false: "NoMaintenance"}[x.Maintenance],
		"rmcacheEnabled":   x.RMCache, "rmcacheSizeInKb": x.RMCacheKB, "rfcacheEnabled": false, "perfProfile": x.PerfProfile, "softwareVersionInfo": mgmt.VersionName,
		"authenticationError": "None",
		"links":               append(self("Sds", x.ID, "Statistics", "Device"), parent("protectionDomainId", "ProtectionDomain", x.Domain))}
}

func connection(connected bool) string {
	if connected {
		return "Connected"
	}
	return "Disconnected"
}

func deviceObject(d mgmt.Device) object {
	state, failed := "Normal", "None"
	if d.Removing {
		state = "RemovePending"
	}
	if d.Error != "" {
		failed = "IoError"
	}
	return object{"id": d.ID, "name": orNull(d.Name), "sdsId": d.SDS, "storagePoolId": d.Pool, "deviceCurrentPathName": d.CurrentPath, "deviceOriginalPathName": d.OriginalPath,
		"deviceState": state, "errorState": failed, "aggregatedState": map[bool]string{true: "NeverFailed", false: "Failed"}[failed == "None"],
		"capacityLimitInKb": d.LimitBytes >> 10, "maxCapacityInKb": d.SizeBytes >> 10, "mediaType": d.MediaType, "deviceType": "Unknown", "logicalSectorSizeInBytes": 512,
		"links": append(self("Device", d.ID, "Statistics"), parent("sdsId", "Sds", d.SDS), parent("storagePoolId", "StoragePool", d.Pool))}
}

func volumeObject(v mgmt.View, x mgmt.Volume) object {
	var mapped any
	if len(x.Mappings) > 0 {
		infos := []object{}
		for _, m := range x.Mappings {
			info := object{"sdcId": m.SDC, "limitIops": 0, "limitBwInMbps": 0, "accessMode": m.AccessMode, "isDirectBufferMapping": false}
			for _, c := range v.SDCs {
				if c.ID == m.SDC {
					info["sdcIp"], info["sdcName"] = c.IP, orNull(c.Name)
				}
			}
			infos = append(infos, info)
		}
		mapped = infos
	}
	return object{"id": x.ID, "name": orNull(x.Name), "sizeInKb": x.SizeBytes >> 10, "volumeType": map[bool]string{true: "ThickProvisioned", false: "ThinProvisioned"}[x.Thick],
		"vtreeId": x.Tree, "storagePoolId": x.Pool, "ancestorVolumeId": nil, "consistencyGroupId": nil, "creationTime": x.Created.Unix(), "mappedSdcInfo": mapped,
		"mappingToAllSdcsEnabled": false, "useRmcache": x.RMCache, "isObfuscated": false, "dataLayout": "MediumGranularity", "accessModeLimit": "ReadWrite",
		"links": append(self("Volume", x.ID, "Statistics"), parent("vtreeId", "VTree", x.Tree), parent("storagePoolId", "StoragePool", x.Pool))}
}

func sdcObject(v mgmt.View, c mgmt.SDC) object {
	return object{"id": c.ID, "name": orNull(c.Name), "sdcGuid": c.GUID, "sdcIp": c.IP, "sdcApproved": c.Approved, "mdmConnectionState": connection(c.Connected),
		"osType": "Linux", "hostType": "SdcHost", "systemId": v.System.ID, "softwareVersionInfo": mgmt.VersionName, "installedSoftwareVersionInfo": mgmt.VersionName, "perfProfile": "HighPerformance",
		"onVmWare": false, "sdcApprovedIps": nil, "links": append(self("Sdc", c.ID, "Statistics", "Volume"), parent("systemId", "System", v.System.ID))}
}

func userObject(v mgmt.View, u mgmt.User) object {
	return object{"id": u.ID, "name": u.Name, "userRole": u.Role, "passwordChangeRequired": u.NeedNewPass, "systemId": v.System.ID,
		"links": append(self("User", u.ID), parent("systemId", "System", v.System.ID))}
}

func treeObject(x mgmt.Volume) object {
	return object{"id": x.Tree, "name": orNull(x.Name), "baseVolumeId": x.ID, "storagePoolId": x.Pool,
		"links": append(self("VTree", x.Tree, "Statistics", "Volume"), parent("storagePoolId", "StoragePool", x.Pool))}
}
