package gateway

import (
	"encoding/json"

	"scaleio-framework/test/scaleio/mgmt"
)

// creators by type: what the body must hold, and what becomes of it.
var creators = map[string]func(*request) (any, error){
	"ProtectionDomain": (*request).createDomain,
	"StoragePool":      (*request).createPool,
	"FaultSet":         (*request).createFaultSet,
	"Sds":              (*request).createSDS,
	"Device":           (*request).createDevice,
	"Volume":           (*request).createVolume,
	"User":             (*request).createUser,
}

func (s *Server) create(r *request) (any, error) {
	fn := creators[r.PathValue("type")]
	if fn == nil {
		return nil, errNotFound
	}
	return fn(r)
}

func (r *request) made(cmd string, args any) (any, error) {
	var id mgmt.ID
	if err := r.call(cmd, args, &id); err != nil {
		return nil, err
	}
	return id, nil
}

func byID(id string) mgmt.Ref { return mgmt.Ref{ID: id} }

func (r *request) createDomain() (any, error) {
	if err := r.body.need("name"); err != nil {
		return nil, err
	}
	return r.made(mgmt.CmdAddDomain, mgmt.AddDomain{Name: r.body.text("name")})
}

func (r *request) createPool() (any, error) {
	b := r.body
	if err := b.need("name", "protectionDomainId"); err != nil {
		return nil, err
	}
	return r.made(mgmt.CmdAddPool, mgmt.AddPool{Domain: byID(b.text("protectionDomainId")), Name: b.text("name"), MediaType: b.text("mediaType"),
		SparePercent: b.numberPointer("sparePercentage"), ZeroPadding: b.flagPointer("zeroPaddingEnabled"), Checksum: b.flag("checksumEnabled"),
		RMCache: b.flagPointer("useRmcache"), RFCache: b.flagPointer("useRfcache"), RMCacheWrite: b.text("rmcacheWriteHandlingMode")})
}

func (r *request) createFaultSet() (any, error) {
	if err := r.body.need("name", "protectionDomainId"); err != nil {
		return nil, err
	}
	return r.made(mgmt.CmdAddFaultSet, mgmt.AddFaultSet{Domain: byID(r.body.text("protectionDomainId")), Name: r.body.text("name")})
}

func (r *request) createSDS() (any, error) {
	b := r.body
	if err := b.need("protectionDomainId", "sdsIpList"); err != nil {
		return nil, err
	}
	var ips []struct {
		SdsIP mgmt.SDSIP `json:"SdsIp"`
	}
	if json.Unmarshal(b["sdsIpList"], &ips) != nil || len(ips) == 0 {
		return nil, missing("sdsIpList")
	}
	args := mgmt.AddSDS{Domain: byID(b.text("protectionDomainId")), Name: b.text("name"), FaultSet: byID(b.text("faultSetId")), ForceClean: b.flag("forceClean"),
		RMCache: b.flagPointer("rmcacheEnabled")}
	for _, ip := range ips {
		args.IPs = append(args.IPs, ip.SdsIP)
	}
	if port := b.numberPointer("sdsPort"); port != nil {
		args.Port = *port
	}
	var devices []struct{ DevicePath, StoragePoolID, DeviceName string }
	_ = json.Unmarshal(b["deviceInfoList"], &devices)
	for _, d := range devices {
		args.Devices = append(args.Devices, mgmt.NewDevice{Pool: byID(d.StoragePoolID), Path: d.DevicePath, Name: d.DeviceName})
	}
	return r.made(mgmt.CmdAddSDS, args)
}

func (r *request) createDevice() (any, error) {
	b := r.body
	if err := b.need("deviceCurrentPathname", "sdsId", "storagePoolId"); err != nil {
		return nil, err
	}
	return r.made(mgmt.CmdAddDevice, mgmt.AddDevice{SDS: byID(b.text("sdsId")), Pool: byID(b.text("storagePoolId")), Path: b.text("deviceCurrentPathname"),
		Name: b.text("name"), MediaType: b.text("mediaType"), Takeover: b.flag("forceDeviceTakeover")})
}

// createVolume: the pool is mandatory since API 1.32, and sizes that aren't whole 8 GB are refused here, not rounded.
func (r *request) createVolume() (any, error) {
	b := r.body
	if err := b.need("volumeSizeInKb", "storagePoolId"); err != nil {
		return nil, err
	}
	kb, err := b.number("volumeSizeInKb")
	if err != nil {
		return nil, err
	}
	return r.made(mgmt.CmdAddVolume, mgmt.AddVolume{Pool: byID(b.text("storagePoolId")), Name: b.text("name"), SizeBytes: kb << 10,
		Thick: b.text("volumeType") == "ThickProvisioned", RMCache: b.flag("useRmcache")})
}

func (r *request) createUser() (any, error) {
	if err := r.body.need("name", "userRole"); err != nil {
		return nil, err
	}
	var made mgmt.NewPassword
	err := r.call(mgmt.CmdAddUser, mgmt.AddUser{Name: r.body.text("name"), Role: r.body.text("userRole"), Password: r.body.text("password")}, &made)
	if err != nil {
		return nil, err
	}
	answer := object{"id": made.ID}
	if !r.body.has("password") {
		answer["password"] = made.Password
	}
	return answer, nil
}
