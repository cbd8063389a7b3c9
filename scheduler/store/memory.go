package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Memory is a store that ends with the process: for tests. The zero value is ready.
type Memory struct {
	mu      sync.Mutex
	records map[string]Record
}

var _ Store = (*Memory)(nil)

// Get one record.
func (m *Memory) Get(_ context.Context, key string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, ok := m.records[key]
	if !ok {
		return Record{}, fmt.Errorf("reading %s: %w", key, ErrNotFound)
	}
	return rec, nil
}

// List the records whose keys begin with prefix.
func (m *Memory) List(_ context.Context, prefix string) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Record
	for key, rec := range m.records {
		if strings.HasPrefix(key, prefix) {
			all = append(all, rec)
		}
	}
	slices.SortFunc(all, func(a, b Record) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

// Commit makes all changes or none.
func (m *Memory) Commit(_ context.Context, changes ...Change) error {
	if err := check(changes); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		if present := m.records[c.Key].Revision; present != c.Revision {
			return fmt.Errorf("storing %s at revision %d, found %d: %w", c.Key, c.Revision, present, ErrConflict)
		}
	}
	if m.records == nil {
		m.records = map[string]Record{}
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(m.records, c.Key)
			continue
		}
		m.records[c.Key] = Record{Key: c.Key, Value: bytes.Clone(c.Value), Revision: c.Revision + 1}
	}
	return nil
}

// Close does nothing: the records stay for the next scheduler of the test.
func (m *Memory) Close() error { return nil }
