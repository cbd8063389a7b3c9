package gateway

import (
	"slices"
	"strings"

	"scaleio-framework/test/scaleio/mgmt"
)

// all objects of a type, in one picture.
func all(v mgmt.View, kind string) ([]object, error) {
	objects := []object{}
	switch kind {
	case "System":
		objects = append(objects, systemObject(v))
	case "ProtectionDomain":
		for _, x := range v.Domains {
			objects = append(objects, domainObject(v, x))
		}
	case "StoragePool":
		for _, x := range v.Pools {
			objects = append(objects, poolObject(x))
		}
	case "FaultSet":
		for _, x := range v.FaultSets {
			objects = append(objects, faultSetObject(x))
		}
	case "Sds":
		for _, x := range v.SDSs {
			objects = append(objects, sdsObject(x))
		}
	case "Device":
		for _, x := range v.Devices {
			objects = append(objects, deviceObject(x))
		}
	case "Volume":
		for _, x := range v.Volumes {
			objects = append(objects, volumeObject(v, x))
		}
	case "Sdc":
		for _, x := range v.SDCs {
			objects = append(objects, sdcObject(v, x))
		}
	case "User":
		for _, x := range v.Users {
			objects = append(objects, userObject(v, x))
		}
	case "VTree":
		for _, x := range v.Volumes {
			objects = append(objects, treeObject(x))
		}
	default:
		return nil, errNotFound
	}
	return objects, nil
}

func (s *Server) list(r *request) (any, error) {
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	return all(v, r.PathValue("type"))
}

var notFound = map[string]*mgmt.Fault{"ProtectionDomain": mgmt.NoDomain, "StoragePool": mgmt.NoPool, "FaultSet": mgmt.NoFaultSet, "Sds": mgmt.NoSDS,
	"Device": mgmt.NoDevice, "Volume": mgmt.NoVolume, "Sdc": mgmt.NoSDC, "User": mgmt.NoUser}

func unknown(kind string) error {
	if fault := notFound[kind]; fault != nil {
		return fault
	}
	return mgmt.NotFound
}

func one(v mgmt.View, kind, id string) (object, error) {
	objects, err := all(v, kind)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if o["id"] == id {
			return o, nil
		}
	}
	return nil, unknown(kind)
}

// target splits "Sds::0123".
func (r *request) target() (kind, id string) {
	kind, id, _ = strings.Cut(r.PathValue("object"), "::")
	return kind, id
}

func (s *Server) get(r *request) (any, error) {
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	kind, id := r.target()
	return one(v, kind, id)
}

func (s *Server) mdmCluster(r *request) (any, error) {
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	return clusterObject(v.Cluster), nil
}

// belongs names the attribute by which objects of a relation point at their owner.
var belongs = map[string]string{"ProtectionDomain/StoragePool": "protectionDomainId", "ProtectionDomain/Sds": "protectionDomainId", "ProtectionDomain/FaultSet": "protectionDomainId",
	"StoragePool/Volume": "storagePoolId", "StoragePool/Device": "storagePoolId", "FaultSet/Sds": "faultSetId", "Sds/Device": "sdsId", "VTree/Volume": "vtreeId",
	"System/ProtectionDomain": "", "System/Sdc": "", "System/User": ""}

func (s *Server) related(r *request) (any, error) {
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	kind, id := r.target()
	relation := r.PathValue("relation")
	if _, err := one(v, kind, id); err != nil {
		return nil, err
	}
	switch {
	case relation == "Statistics":
		return s.statistics(v, kind, id)
	case kind == "StoragePool" && relation == "SpSds":
		return filter(v, "Sds", func(o object) bool {
			return slices.ContainsFunc(v.Devices, func(d mgmt.Device) bool { return d.Pool == id && d.SDS == o["id"] })
		})
	case kind == "Sdc" && relation == "Volume":
		return filter(v, "Volume", func(o object) bool {
			return slices.ContainsFunc(v.Volumes, func(x mgmt.Volume) bool {
				return x.ID == o["id"] && slices.ContainsFunc(x.Mappings, func(m mgmt.Mapping) bool { return m.SDC == id })
			})
		})
	}
	attribute, known := belongs[kind+"/"+relation]
	if !known {
		return nil, errNotFound
	}
	return filter(v, relation, func(o object) bool { return attribute == "" || o[attribute] == id })
}

func filter(v mgmt.View, kind string, keep func(object) bool) ([]object, error) {
	objects, err := all(v, kind)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(objects, func(o object) bool { return !keep(o) }), nil
}

// idByKey finds by name, SDCs by address too.
func (s *Server) idByKey(r *request) (any, error) {
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	kind := r.PathValue("type")
	name, ip := r.body.text("name"), r.body.text("ip")
	if name == "" && ip == "" {
		return nil, missing("name")
	}
	objects, err := all(v, kind)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		domain := r.body.text("protectionDomainId")
		if (name != "" && o["name"] == name || ip != "" && o["sdcIp"] == ip) && (domain == "" || o["protectionDomainId"] == domain) {
			return o["id"], nil
		}
	}
	return nil, unknown(kind)
}
