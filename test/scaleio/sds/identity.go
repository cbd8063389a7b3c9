package sds

import (
	"time"

	"scaleio-framework/test/scaleio/wire"
)

// hello makes this SDS a member of the MDM's system. It has one identity; force takes another and forgets the devices, whose headers
// still name the old one.
func (s *Server) hello(req wire.SDSRequest) error {
	if req.System == "" || req.SDS == "" {
		return refusef("hello needs a system and an sds id")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	same := s.state.System == req.System && s.state.SDS == req.SDS
	switch {
	case same && (req.Name == "" || s.state.Name == req.Name):
		return nil
	case same || s.state.SDS == "":
	case s.state.System == req.System && len(s.state.Devices) == 0: // removed from the system and added again
	case !req.Force && s.state.System == req.System:
		return errThisMDM
	case !req.Force:
		return errAnotherMDM
	default:
		s.log.Info("identity replaced by force", "system", req.System, "sds", req.SDS, "was", s.state.SDS)
		if err := s.closeDevices(); err != nil {
			return err
		}
		s.state, s.fences = newState(), map[string]*fence{}
	}
	s.state.System, s.state.SDS = req.System, req.SDS
	s.state.Name = req.Name
	s.log.Info("member of a system", "system", req.System, "sds", req.SDS, "name", req.Name)
	return s.state.save(s.options.Dir)
}

// detach is how an SDS leaves its system: its devices carry no header any more and it is nobody's.
func (s *Server) detach() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.open {
		if err := s.release(id); err != nil {
			return err
		}
	}
	s.log.Info("detached from its system", "system", s.state.System, "sds", s.state.SDS)
	s.state, s.fences = newState(), map[string]*fence{}
	return s.state.save(s.options.Dir)
}

// scanEvery bounds how often a status looks for missing devices.
const scanEvery = 2 * time.Second

func (s *Server) status() []wire.SDSDevice {
	s.mu.Lock()
	missing := len(s.open) < len(s.state.Devices) && time.Since(s.lastScan) > scanEvery
	if missing {
		s.lastScan = time.Now()
	}
	s.mu.Unlock()
	if missing {
		s.findDevices()
	}
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
