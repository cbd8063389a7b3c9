package store

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// An envelope around each record. The checksum covers key, revision and data: a record that was copied to another key is damage too.
type envelope struct {
	Schema   int             `json:"schema"`
	Revision uint64          `json:"rev"`
	CRC      uint32          `json:"crc"`
	Data     json.RawMessage `json:"data"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(key string, revision uint64, data []byte) uint32 {
	sum := crc32.Update(0, castagnoli, fmt.Appendf(nil, "%s\x00%d\x00", key, revision))
	return crc32.Update(sum, castagnoli, data)
}

func seal(key string, revision uint64, data []byte) ([]byte, error) {
	if !json.Valid(data) {
		return nil, fmt.Errorf("storing %s: not JSON", key)
	}
	return fmt.Appendf(nil, `{"schema":%d,"rev":%d,"crc":%d,"data":%s}`, Schema, revision, checksum(key, revision, data), data), nil
}

func open(key string, raw []byte) (Record, error) {
	var e envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		return Record{}, fmt.Errorf("reading %s: %w (%v)", key, ErrCorrupt, err)
	}
	if e.Schema > Schema {
		return Record{}, fmt.Errorf("reading %s: schema %d, known up to %d: %w", key, e.Schema, Schema, ErrNewer)
	}
	if e.Schema < 1 || e.CRC != checksum(key, e.Revision, e.Data) {
		return Record{}, fmt.Errorf("reading %s: %w (checksum)", key, ErrCorrupt)
	}
	value, err := migrate(key, e.Schema, e.Data)
	return Record{Key: key, Value: value, Revision: e.Revision}, err
}
