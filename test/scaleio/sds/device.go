package sds

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"scaleio-framework/test/scaleio/wire"
)

// device is an opened device of this SDS.
type device struct {
	id        string
	path      string
	sizeBytes int64
	file      *os.File
	slots     int64

	mu    sync.RWMutex // held for writing while a slot changes its volume
	marks []uint64

	failMu sync.Mutex
	failed string // last I/O error, reported in status
}

func openDevice(path string, h header) (*device, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_EXCL, 0) // exclusively: nobody can mount or format what is ours
	if err != nil {
		return nil, fmt.Errorf("opening device: %w", err)
	}
	size, err := sizeOf(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d := &device{id: h.Device, path: path, sizeBytes: size, file: f}
	d.slots = min((size-wire.DeviceDataOffset)/wire.ChunkBytes, marksPerDisk)
	if d.marks, err = readMarks(f, d.slots); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

func (d *device) where(slot, offset, length int64) (int64, error) {
	if slot < 0 || slot >= d.slots {
		return 0, refusef("slot %d is outside device %s, which has %d", slot, d.id, d.slots)
	}
	if offset < 0 || length < 0 || length > wire.ChunkBytes || offset > wire.ChunkBytes-length {
		return 0, refusef("bytes %d+%d are outside a chunk", offset, length)
	}
	return wire.DeviceDataOffset + slot*wire.ChunkBytes + offset, nil
}

// read gives zeros where the slot holds what another volume left: a chunk is zero until its volume writes it.
func (d *device) read(volume string, slot, offset int64, p []byte) error {
	at, err := d.where(slot, offset, int64(len(p)))
	if err != nil {
		return err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if volume != "" && d.marks[slot] != markOf(volume) {
		clear(p)
		return nil
	}
	_, err = d.file.ReadAt(p, at)
	return d.note(err)
}

// write returns once the bytes are on the device.
func (d *device) write(volume string, slot, offset int64, p []byte) error {
	at, err := d.where(slot, offset, int64(len(p)))
	if err != nil {
		return err
	}
	if err := d.claim(volume, slot); err != nil {
		return d.note(err)
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.marks[slot] != markOf(volume) {
		return refusef("slot %d of device %s was given to another volume", slot, d.id)
	}
	if _, err := d.file.WriteAt(p, at); err != nil {
		return d.note(err)
	}
	return d.note(unix.Fdatasync(int(d.file.Fd())))
}

// claim makes the slot the volume's: what another volume left is zeroed and synced first, only then the slot is marked, so a crash
// in between shows zeros and never somebody else's data.
func (d *device) claim(volume string, slot int64) error {
	mark := markOf(volume)
	if mark == 0 {
		return refusef("a write to slot %d of device %s names no volume", slot, d.id)
	}
	d.mu.RLock()
	ours := d.marks[slot] == mark
	d.mu.RUnlock()
	if ours {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.marks[slot] == mark {
		return nil
	}
	return d.reset(slot, mark)
}

// reset empties a slot and gives it to the volume of the mark (0: to nobody). d.mu is held.
func (d *device) reset(slot int64, mark uint64) error {
	if err := zero(d.file, wire.DeviceDataOffset+slot*wire.ChunkBytes, wire.ChunkBytes); err != nil {
		return err
	}
	if err := unix.Fdatasync(int(d.file.Fd())); err != nil {
		return fmt.Errorf("syncing: %w", err)
	}
	if _, err := d.file.WriteAt(binary.LittleEndian.AppendUint64(nil, mark), headerBytes+slot*markBytes); err != nil {
		return fmt.Errorf("marking slot %d: %w", slot, err)
	}
	if err := unix.Fdatasync(int(d.file.Fd())); err != nil {
		return fmt.Errorf("syncing: %w", err)
	}
	d.marks[slot] = mark
	return nil
}

// note remembers an I/O error for the status, so that the MDM learns of a dying device even without I/O of its own.
func (d *device) note(err error) error {
	var r refusal
	if err == nil || errors.As(err, &r) {
		return err
	}
	d.failMu.Lock()
	defer d.failMu.Unlock()
	d.failed = err.Error()
	return fmt.Errorf("device %s at %s: %w", d.id, d.path, err)
}

func (d *device) report() wire.SDSDevice {
	d.failMu.Lock()
	defer d.failMu.Unlock()
	return wire.SDSDevice{ID: d.id, Path: d.path, SizeBytes: d.sizeBytes, Error: d.failed}
}
