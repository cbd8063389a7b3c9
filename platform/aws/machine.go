package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"scaleio-framework/platform"
)

// ReasonInstanceChanged: what this machine remembers was made on another instance.
const ReasonInstanceChanged = "InstanceChanged"

// verifiedFor is how long the metadata service's word counts: within it, it may be away.
const verifiedFor = 15 * time.Minute

// A Machine is this machine as an instance of EC2. What was verified last is kept over restarts; a metadata service that fails takes nothing of it away.
type Machine struct {
	place    Place
	metadata *Metadata
	files    *platform.Files
	file     string

	mu       sync.Mutex
	kept     Instance
	verified time.Time // zero = not by this process
	failure  *MetadataError
	ec2      map[Access]*EC2
}

// Known is what is known of the instance: as it is when Verified, else as it was when it last could be verified.
type Known struct {
	Instance Instance
	Verified bool
	Reason   string
	Message  string
}

// remembered is the file's content.
type remembered struct {
	Schema   int       `json:"schema"`
	Instance Instance  `json:"instance"`
	Verified time.Time `json:"verified"` // for people
}

const rememberedSchema = 1

// NewMachine makes it; it calls nobody. nil = the machine is no instance, or was never said to be one: an endpoint of the metadata service says so too.
func NewMachine(files *platform.Files, file string, place Place, endpoint string) (*Machine, error) {
	metadata := NewMetadata(place, endpoint)
	if metadata == nil {
		return nil, nil
	}
	m := &Machine{place: place, metadata: metadata, files: files, file: file, ec2: map[Access]*EC2{},
		failure: &MetadataError{ReasonNotAsked, "not asked yet"}}
	text, err := files.Read(file)
	if errors.Is(err, platform.ErrNotFound) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	var kept remembered
	if err := json.Unmarshal(text, &kept); err != nil || kept.Schema > rememberedSchema || !IsInstanceID(kept.Instance.ID) {
		return nil, fmt.Errorf("reading %s: damaged, or of a newer agent: remove it, and it is made again once the instance is verified", file)
	}
	m.kept = kept.Instance
	return m, nil
}

// Evidence is what the place was decided from.
func (m *Machine) Evidence() string { return m.place.Evidence }

// Firmware is the instance id that the machine itself shows, without asking anybody; "" = it shows none.
func (m *Machine) Firmware() string { return m.place.InstanceID }

// Look asks now, and keeps what was verified.
func (m *Machine) Look(ctx context.Context) Known {
	found, err := m.metadata.Look(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		err = m.acceptLocked(found)
	} else if other := m.place.InstanceID; other != "" && m.kept.ID != "" && other != m.kept.ID {
		err = m.changed(other) // no word of the service is needed for that
	}
	if err == nil {
		m.verified, m.failure = time.Now(), nil
		return m.knownLocked()
	}
	if !errors.As(err, &m.failure) {
		m.failure = &MetadataError{ReasonUnreadable, err.Error()}
	}
	if m.failure.Reason == ReasonInstanceChanged || m.failure.Reason == ReasonWrongInstance {
		m.verified = time.Time{} // that is no silence
	}
	return m.knownLocked()
}

// Forget what was verified last: the files here are another machine's, and what it was says nothing about this one.
func (m *Machine) Forget() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.files.Remove(m.file); err != nil {
		return err
	}
	m.kept, m.verified, m.failure = Instance{}, time.Time{}, &MetadataError{ReasonNotAsked, "not asked yet"}
	return nil
}

// Known without asking.
func (m *Machine) Known() Known {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.knownLocked()
}

func (m *Machine) knownLocked() Known {
	k := Known{Instance: m.kept, Verified: m.verifiedLocked()}
	if k.Instance.ID == "" {
		k.Instance.ID = m.place.InstanceID
	}
	if m.failure != nil {
		k.Reason, k.Message = m.failure.Reason, m.failure.Message
	}
	return k
}

func (m *Machine) verifiedLocked() bool {
	return !m.verified.IsZero() && time.Since(m.verified) < verifiedFor
}

// acceptLocked what was verified: of the same instance as before, whose type may have changed while it was stopped.
func (m *Machine) acceptLocked(found Instance) error {
	if m.kept.ID != "" && m.kept.ID != found.ID {
		return m.changed(found.ID)
	}
	if m.kept == found {
		return nil
	}
	text, err := json.MarshalIndent(remembered{rememberedSchema, found, time.Now().UTC().Truncate(time.Second)}, "", "  ")
	if err != nil {
		return err
	}
	if err := m.files.MkdirAll(path.Dir(m.file), 0o700); err != nil {
		return err
	}
	if err := m.files.Write(m.file, append(text, '\n'), 0o600); err != nil {
		return err
	}
	m.kept = found
	return nil
}

func (m *Machine) changed(to string) error {
	return &MetadataError{ReasonInstanceChanged, fmt.Sprintf("this is instance %s, and %s was made on %s: it was copied with an image or a volume", to, m.file, m.kept.ID)}
}

// Instance id, verified lately or now. An error says why nothing may be bought for it.
func (m *Machine) Instance(ctx context.Context) (string, error) {
	self, err := m.self(ctx)
	return self.ID, err
}

func (m *Machine) self(ctx context.Context) (Instance, error) {
	known := m.Known()
	if !known.Verified {
		known = m.Look(ctx)
	}
	if !known.Verified {
		return Instance{}, fmt.Errorf("%w: %s: %s", ErrUnverified, known.Reason, known.Message)
	}
	return known.Instance, nil
}

// Notices of what EC2 will do to this instance.
func (m *Machine) Notices(ctx context.Context) ([]Notice, error) { return m.metadata.Notices(ctx) }

// Volumes of this instance, reached in this way. Nothing is asked, and no client made, before the first of its methods is called.
func (m *Machine) Volumes(by Access) *EC2 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ec2[by] == nil {
		m.ec2[by] = NewEC2(EC2Options{Access: by, Self: m.self, Metadata: m.metadata, Files: m.files})
	}
	return m.ec2[by]
}

// Slots of this instance, asked for in this way.
func (m *Machine) Slots(ctx context.Context, by Access) (Slots, error) {
	return m.Volumes(by).Slots(ctx)
}
