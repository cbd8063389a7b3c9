package mdm

import "scaleio-framework/test/scaleio/mgmt"

// view is one consistent picture of the document, with what only the master knows at this moment.
func (c call) view(none) (mgmt.View, error) {
	s := c.office.state.Load()
	v := mgmt.View{System: s.System, Cluster: c.office.cluster(), Domains: s.Domains, FaultSets: s.FaultSets}
	for _, u := range s.Users {
		v.Users = append(v.Users, u.User)
	}
	return v, nil
}
