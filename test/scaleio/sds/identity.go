package sds

import (
	"scaleio-framework/test/scaleio/wire"
)

// hello makes this SDS a member of the MDM's system. It has one identity; force takes another and forgets the devices, whose headers
// still name the old one.
func (s *Server) hello(req wire.SDSRequest) error {
	if req.System == "" || req.SDS == "" {
		return refusef("hello needs a system and an sds id")
	}
	s.change.Lock()
	defer s.change.Unlock()
	now := s.snapshot()
	same := now.System == req.System && now.SDS == req.SDS
	replaced := false
	switch {
	case same && (req.Name == "" || now.Name == req.Name):
		return nil
	case same || now.SDS == "":
	case now.System == req.System && len(now.Devices) == 0: // removed from the system and added again
	case !req.Force && now.System == req.System:
		return errThisMDM
	case !req.Force:
		return errAnotherMDM
	default:
		replaced = true
		s.log.Info("identity replaced by force", "system", req.System, "sds", req.SDS, "was", now.SDS)
		if err := s.closeDevices(); err != nil {
			return err
		}
	}
	s.log.Info("member of a system", "system", req.System, "sds", req.SDS, "name", req.Name)
	if replaced {
		s.forgetFences()
	}
	return s.update(func(st *state) {
		if replaced {
			*st = newState()
		}
		st.System, st.SDS, st.Name = req.System, req.SDS, req.Name
	})
}

func (s *Server) forgetFences() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fences = map[string]*fence{}
}

// detach is how an SDS leaves its system: its devices carry no header any more and it is nobody's.
func (s *Server) detach() error {
	s.change.Lock()
	defer s.change.Unlock()
	for _, d := range s.opened() {
		if err := s.release(d.id); err != nil {
			return err
		}
	}
	now := s.snapshot()
	s.log.Info("detached from its system", "system", now.System, "sds", now.SDS)
	s.forgetFences()
	return s.update(func(st *state) { *st = newState() })
}

func (s *Server) status() []wire.SDSDevice {
	s.mu.Lock()
	defer s.mu.Unlock()
	devices := []wire.SDSDevice{}
	for id, m := range s.state.Devices {
		if d := s.open[id]; d != nil {
			devices = append(devices, d.report())
			continue
		}
		devices = append(devices, wire.SDSDevice{ID: id, Path: m.Path, SizeBytes: m.SizeBytes, Error: "device not found"})
	}
	return devices
}
