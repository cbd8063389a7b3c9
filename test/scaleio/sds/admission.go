package sds

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"scaleio-framework/test/scaleio/wire"
)

// addDevice takes a raw device for this SDS. The checks are the product's; force overrides only the takeover of another SDS' device.
func (s *Server) addDevice(req wire.SDSRequest) (wire.SDSDevice, error) {
	s.change.Lock()
	defer s.change.Unlock()
	now := s.snapshot()
	if now.SDS == "" {
		return wire.SDSDevice{}, refusef("this SDS isn't part of a system yet")
	}
	if d := s.openAt(req.Path); d != nil {
		if req.Device == d.id { // the answer to an earlier request was lost
			return d.report(), nil
		}
		return wire.SDSDevice{}, errPathExists
	}
	h := header{System: now.System, SDS: now.SDS, Device: req.Device}
	if h.Device == "" {
		h.Device = newID()
	}
	if other, err := s.device(h.Device); err == nil {
		return wire.SDSDevice{}, refusef("device id %s is at %s already", h.Device, other.path)
	}
	if err := s.admit(req.Path, h, req.Force); err != nil {
		return wire.SDSDevice{}, err
	}
	if err := initialise(req.Path, h); err != nil {
		return wire.SDSDevice{}, err
	}
	d, err := openDevice(req.Path, h)
	if err != nil {
		return wire.SDSDevice{}, err
	}
	if err := s.update(func(st *state) { st.Devices[d.id] = member{Path: d.path, SizeBytes: d.sizeBytes} }); err != nil {
		return wire.SDSDevice{}, errors.Join(err, d.file.Close())
	}
	s.setOpen(d.id, d)
	s.log.Info("device added", "device", d.id, "path", d.path, "size", d.sizeBytes)
	return d.report(), nil
}

func (s *Server) admit(path string, h header, force bool) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		s.log.Warn("opening a new device failed", "path", path, "err", err)
		return errCouldNotOpen
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := sizeOf(f)
	if err != nil {
		return err
	}
	if size < s.options.MinDeviceBytes {
		return errTooSmall
	}
	if n, err := sectorBytes(f); err != nil || n != 512 {
		return errors.Join(err, errSectorSize)
	}
	if at, err := s.options.MountedAt(path); err != nil || at != "" {
		return errors.Join(err, errMounted)
	}
	if table, err := partitioned(f); err != nil || table {
		return errors.Join(err, errPartitioned)
	}
	old, err := readHeader(f)
	switch {
	case errors.Is(err, errNoHeader):
		return nil
	case err != nil && !force:
		return errTaken
	case !force && old != h:
		return errTaken
	}
	return nil
}

// initialise writes an empty slot table before the header: a crash in between leaves a device that nobody owns.
func initialise(path string, h header) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return errCouldNotOpen
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if old, err := readHeader(f); err == nil && old == h {
		return nil
	}
	if _, err := f.WriteAt(make([]byte, wire.DeviceDataOffset), 0); err != nil {
		return fmt.Errorf("writing slot table of %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	block, err := h.encode()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(block, 0); err != nil {
		return fmt.Errorf("writing header of %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return nil
}

// removeDevice gives the device back as if it never had been ours; a device that is gone already is no error.
func (s *Server) removeDevice(id string) error {
	s.change.Lock()
	defer s.change.Unlock()
	if _, ours := s.snapshot().Devices[id]; !ours {
		return errNoDevice
	}
	if err := s.release(id); err != nil {
		return err
	}
	s.log.Info("device removed", "device", id)
	return s.update(func(st *state) { delete(st.Devices, id) })
}

// release erases the header of an opened device and closes it.
func (s *Server) release(id string) error {
	d, err := s.device(id)
	if err != nil {
		return nil // it is missing, so there is nothing to erase
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.file.WriteAt(make([]byte, wire.DeviceDataOffset), 0); err != nil {
		return fmt.Errorf("erasing header of %s: %w", d.path, err)
	}
	if err := d.file.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", d.path, err)
	}
	if err := d.file.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", d.path, err)
	}
	s.setOpen(id, nil)
	return nil
}

// openAt finds the opened device behind a path, whatever other name it has.
func (s *Server) openAt(path string) *device {
	var want, have unix.Stat_t
	if unix.Stat(path, &want) != nil {
		return nil
	}
	for _, d := range s.opened() {
		if unix.Fstat(int(d.file.Fd()), &have) != nil {
			continue
		}
		sameFile := want.Dev == have.Dev && want.Ino == have.Ino
		if sameFile || want.Rdev != 0 && want.Rdev == have.Rdev {
			return d
		}
	}
	return nil
}

func newID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
