package sds

import (
	"sync"

	"scaleio-framework/test/scaleio/wire"
)

// fence holds the newest generation of one volume. Writes hold it shared from the check to the sync, set-generation holds it alone: once
// that has returned, no write with an older map can reach a device any more.
type fence struct {
	mu         sync.RWMutex
	generation int64
}

func (s *Server) fenceOf(volume string) *fence {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fences[volume]
	if f == nil {
		f = &fence{generation: s.state.Generations[volume]}
		s.fences[volume] = f
	}
	return f
}

// raise stores the generation before anything is done under it: a restarted SDS must refuse what it refused before.
func (s *Server) raise(volume string, generation int64) error {
	f := s.fenceOf(volume)
	f.mu.Lock()
	defer f.mu.Unlock()
	if generation < f.generation {
		return errStale
	}
	if generation == f.generation {
		return nil
	}
	s.change.Lock()
	defer s.change.Unlock()
	if err := s.update(func(st *state) { st.Generations[volume] = generation }); err != nil {
		return err
	}
	f.generation = generation
	return nil
}

func (s *Server) write(req wire.SDSRequest, data []byte) error {
	d, err := s.device(req.Device)
	if err != nil {
		return err
	}
	f := s.fenceOf(req.Volume)
	for {
		f.mu.RLock()
		if req.Generation == f.generation {
			err := d.write(req.Volume, req.Slot, req.Offset, data)
			f.mu.RUnlock()
			return err
		}
		f.mu.RUnlock()
		if err := s.raise(req.Volume, req.Generation); err != nil {
			return err
		}
	}
}

// read with an older map could find the slot given to another chunk. Who names no generation knows where things are: an SDS that copies.
func (s *Server) read(req wire.SDSRequest, p []byte) error {
	d, err := s.device(req.Device)
	if err != nil {
		return err
	}
	if req.Generation == 0 {
		return d.read(req.Volume, req.Slot, req.Offset, p)
	}
	return s.unlessStale(req, func() error { return d.read(req.Volume, req.Slot, req.Offset, p) })
}

// unlessStale keeps what an MDM has given up from touching what came after it: a copy goes on for a while on its own, and a request may come late.
func (s *Server) unlessStale(req wire.SDSRequest, do func() error) error {
	f := s.fenceOf(req.Volume)
	f.mu.RLock()
	defer f.mu.RUnlock()
	if req.Generation < f.generation {
		return errStale
	}
	return do()
}
