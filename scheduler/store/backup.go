package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// A backup is one file: a line that says what it is, a line for each record in the envelope that it is stored in, and a last line by which a file that was cut
// off or changed is told. It can be read by people and written to a pipe.
const (
	backupFormat  = "scaleio-scheduler-backup"
	backupVersion = 1

	maxBackupLine  = MaxRecord + 4096
	maxBackupBytes = 1 << 30
)

// BackupKind says what a backup holds.
type BackupKind string

// The kinds.
const (
	BackupState BackupKind = "state" // all records
	BackupKeys  BackupKind = "keys"  // what nobody but the scheduler knows: the CA and the passwords that it made
)

// A Backup that was read and verified to its end.
type Backup struct {
	Kind    BackupKind
	Made    time.Time
	Records []Record
}

// ErrBackup: the file is no whole backup.
var ErrBackup = errors.New("not a whole backup")

type backupHead struct {
	Format  string     `json:"format"`
	Version int        `json:"version"`
	Kind    BackupKind `json:"kind"`
	Made    time.Time  `json:"made"`
}

type backupLine struct {
	Key    string          `json:"key"`
	Record json.RawMessage `json:"record"`
}

type backupTail struct {
	Records *int   `json:"records"`
	SHA256  string `json:"sha256"`
}

// WriteBackup writes records as one backup.
func WriteBackup(w io.Writer, kind BackupKind, made time.Time, records []Record) error {
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	head, err := json.Marshal(backupHead{backupFormat, backupVersion, kind, made.UTC()})
	if err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	_, _ = out.Write(append(head, '\n')) // bufio keeps the first error for Flush
	for _, rec := range records {
		key, err := json.Marshal(rec.Key)
		if err != nil {
			return fmt.Errorf("writing the backup: %s: %w", rec.Key, err)
		}
		sealed, err := seal(rec.Key, rec.Revision, rec.Value)
		if err != nil {
			return fmt.Errorf("writing the backup: %w", err)
		}
		_, _ = fmt.Fprintf(out, `{"key":%s,"record":%s}`+"\n", key, sealed)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	if _, err := fmt.Fprintf(w, `{"records":%d,"sha256":"%s"}`+"\n", len(records), hex.EncodeToString(sum.Sum(nil))); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return nil
}

// ReadBackup reads and verifies a backup to its end; nothing of one that isn't whole is given.
func ReadBackup(r io.Reader) (Backup, error) {
	in := backupReader{lines: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	line, err := in.next()
	if err != nil {
		return Backup{}, err
	}
	var head backupHead
	if err := json.Unmarshal(line, &head); err != nil || head.Format != backupFormat {
		return Backup{}, fmt.Errorf("reading the backup: %w: it doesn't begin as one", ErrBackup)
	}
	if head.Version != backupVersion || head.Kind != BackupState && head.Kind != BackupKeys {
		return Backup{}, fmt.Errorf("reading the backup: version %d of kind %q: %w", head.Version, head.Kind, ErrNewer)
	}
	b := Backup{Kind: head.Kind, Made: head.Made}
	for seen := map[string]bool{}; ; {
		before := hex.EncodeToString(in.sum.Sum(nil))
		if line, err = in.next(); err != nil {
			return Backup{}, err
		}
		var tail backupTail
		if err := json.Unmarshal(line, &tail); err == nil && tail.Records != nil {
			if *tail.Records != len(b.Records) || tail.SHA256 != before {
				return Backup{}, fmt.Errorf("reading the backup: %w: its checksum is another one", ErrBackup)
			}
			return b, in.ended()
		}
		rec, err := readLine(line)
		if err != nil {
			return Backup{}, err
		}
		if seen[rec.Key] {
			return Backup{}, fmt.Errorf("reading the backup: %w: %s stands in it twice", ErrBackup, rec.Key)
		}
		seen[rec.Key] = true
		b.Records = append(b.Records, rec)
	}
}

func readLine(line []byte) (Record, error) {
	var l backupLine
	if err := json.Unmarshal(line, &l); err != nil || l.Key == "" {
		return Record{}, fmt.Errorf("reading the backup: %w: a line of it is damaged", ErrBackup)
	}
	return open(l.Key, l.Record)
}

type backupReader struct {
	lines *bufio.Reader
	sum   hash.Hash
	bytes int
}

func (b *backupReader) next() ([]byte, error) {
	var line []byte
	for {
		part, err := b.lines.ReadSlice('\n')
		line = append(line, part...)
		b.bytes += len(part)
		switch {
		case len(line) > maxBackupLine || b.bytes > maxBackupBytes:
			return nil, fmt.Errorf("reading the backup: %w: it is larger than any", ErrBackup)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("reading the backup: %w: it ends too early", ErrBackup)
		case err != nil:
			return nil, fmt.Errorf("reading the backup: %w", err)
		}
		_, _ = b.sum.Write(line)
		return line, nil
	}
}

// ended: nothing may follow.
func (b *backupReader) ended() error {
	if _, err := b.lines.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the backup: %w: something follows its end", ErrBackup)
	}
	return nil
}

// copyBatch is how many records are stored together when a whole store is filled: all of them may be more than one commit takes.
const copyBatch = 200

// Fill an empty store with records; last is stored after all others, alone, so that a store that was filled in part is told from a whole one.
func Fill(ctx context.Context, s Store, records []Record, last string) error {
	var final []Change
	var batch []Change
	commit := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := s.Commit(ctx, batch...)
		batch = batch[:0]
		return err
	}
	for _, rec := range records {
		c := Change{Key: rec.Key, Value: bytes.Clone(rec.Value)}
		if rec.Key == last {
			final = append(final, c)
			continue
		}
		if batch = append(batch, c); len(batch) == copyBatch {
			if err := commit(); err != nil {
				return err
			}
		}
	}
	if err := commit(); err != nil {
		return err
	}
	if batch = final; len(batch) == 0 {
		return fmt.Errorf("filling the store: %w: no record %s", ErrNotFound, last)
	}
	return commit()
}
