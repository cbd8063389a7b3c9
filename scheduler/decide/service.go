package decide

import (
	"time"

	"scaleio-framework/scheduler/api"
)

// A Service is the maintenance of an SDS that we asked for. It is stored before the leader is told, so whoever leads next can end it; one that isn't stored is a
// person's, and nobody of us ends that.
type Service struct {
	SDS   string    `json:"sds"` // id
	Name  string    `json:"name"`
	Node  string    `json:"node"`
	Since time.Time `json:"since"`
	Leave bool      `json:"leave,omitempty"` // since then
	Why   string    `json:"why,omitempty"`   // it leaves

	obeys string    // the leader that heard that it is to leave; this process's own
	heard time.Time // since then
}

// serviced says whether an SDS is in maintenance because we asked for it.
func (s *State) serviced(sds string) bool {
	return s.Leases.Service != nil && s.Leases.Service.SDS == sds
}

// Serve says which SDS is to be in maintenance, or to leave it, as things stand. A record changes only by a sample of the storage that is young, the leader's and
// from after the last interruption (or our own start): what isn't known ends nothing.
func Serve(s *State) *Service {
	m := s.Leases.Service
	if s.View == nil || s.View.From != s.Leases.Leader || s.Now.Sub(s.View.At) > SampleLife || len(s.View.SDSs) == 0 {
		return m
	}
	if after := s.Leases.After; !after.IsZero() && s.View.At.Before(after.Add(settleTime)) {
		return m
	}
	if m == nil {
		return enter(s)
	}
	sds := s.listed(m.SDS)
	switch {
	case m.Leave && m.obeys != s.Leases.Leader:
		// A leader that hasn't heard it may be about to put the SDS into maintenance, just after it took this sample. One that has, samples anew when all that it began is done.
		if !s.current(s.Nodes[s.Leases.Leader]) {
			return m
		}
		heard := *m
		heard.obeys, heard.heard = s.Leases.Leader, s.Now
		return &heard
	case m.Leave && s.View.At.After(m.heard) && s.View.At.After(m.Since.Add(settleTime)) && (sds == nil || !sds.InMaint):
		return nil
	case m.Leave:
		return m
	}
	why := leaves(s, m, sds)
	if why == "" {
		return m
	}
	left := *m
	left.Leave, left.Since, left.Why = true, s.Now, why
	return &left
}

func (s *State) listed(id string) *api.SDSView {
	for i := range s.View.SDSs {
		if s.View.SDSs[i].ID == id {
			return &s.View.SDSs[i]
		}
	}
	return nil
}

// enter: the holder is about to reboot, and nothing but this is left to be done before.
func enter(s *State) *Service {
	n := s.rebooter()
	if n == nil || !s.live(n) || intends(n, IntentReboot) || n.Report.BootID != s.Leases.Boot || mayNotReboot(s, n) != "" || mayLead(s, n) || mute(s, n) {
		return nil
	}
	sds := sdsOf(s, n)
	if sds == nil || sds.ID == "" || sds.InMaint { // in maintenance, and not ours: mayNotReboot says so too
		return nil
	}
	return &Service{SDS: sds.ID, Name: sds.Name, Node: n.ID, Since: s.Now}
}

// leaves says why maintenance is to end, "" = it isn't: the node is back, or won't go down. One that is down keeps it: ended now, all that it holds would be copied
// anew. After its time it is ended all the same, since until then there is one copy of that.
func leaves(s *State, m *Service, sds *api.SDSView) string {
	n := s.Nodes[m.Node]
	released := s.rebooter() != n
	switch {
	case n == nil || sds == nil:
		return "its node or its SDS is gone"
	case s.late():
		return "its node isn't back in time, and what it holds has one copy until then"
	case released:
		return "its node has the right to reboot no more"
	case !s.live(n) || sds.Connection != "Connected":
		return ""
	case n.Report.BootID != s.Leases.Boot:
		return "its node is back"
	case intends(n, IntentReboot), !n.stays: // its own way down makes the storage what no reboot may begin in
		return ""
	}
	return mayNotReboot(s, n)
}

// service for the leader.
func service(s *State) *api.SDSService {
	m := s.Leases.Service
	if m == nil {
		return nil
	}
	if n := s.Nodes[m.Node]; !m.Leave && (n == nil || intends(n, IntentReboot) || mayNotReboot(s, n) != "") {
		return nil // on its way down: nothing is entered any more
	}
	return &api.SDSService{SDS: m.SDS, Name: m.Name, Leave: m.Leave}
}
