package mdm

import (
	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

// view is one consistent picture of the document, with what only the master knows at this moment.
func (c call) view(none) (mgmt.View, error) {
	o := c.office
	s := o.state.Load()
	v := mgmt.View{System: s.System, Cluster: o.cluster(), Domains: s.Domains, FaultSets: s.FaultSets}
	v.System.CLIPasswordAllowed = c.argv
	for _, p := range s.Pools {
		p.Capacity = o.capacity(s, &p)
		v.Capacity = addCapacity(v.Capacity, p.Capacity)
		v.Pools = append(v.Pools, p)
	}
	for _, x := range s.SDSs {
		x.Connected = o.sdss.connected(x.ID)
		v.SDSs = append(v.SDSs, x)
	}
	used := map[string]int64{}
	for _, volume := range s.Volumes {
		for _, chunk := range volume.Chunks {
			for _, p := range chunk.Copies {
				used[p.Device] += wire.ChunkBytes
			}
		}
		volume.UsedBytes = int64(len(volume.Chunks)) * wire.ChunkBytes
		v.Volumes = append(v.Volumes, volume.Volume)
	}
	for _, d := range s.Devices {
		if seen, ok := o.sdss.device(d.SDS, d.ID); ok {
			d.Error = seen.Error
		}
		d.UsedBytes = used[d.ID]
		v.Devices = append(v.Devices, d.Device)
	}
	for _, client := range s.SDCs {
		client.Connected = o.sdcs.connected(client.ID)
		v.SDCs = append(v.SDCs, client)
	}
	for _, u := range s.Users {
		v.Users = append(v.Users, u.User)
	}
	return v, nil
}
