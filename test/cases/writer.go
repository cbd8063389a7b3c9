package cases

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"scaleio-framework/test/nodes"
)

// writerEnds is the file on a node that ends its writers.
const writerEnds = "/run/writers-end"

// WriteVerified runs a task on a node until EndWriters: it writes a block that no disk has seen, past all caches, and reads it back, several times a second. It
// fails with the first error of the device and with the first block that isn't what was written. Rounds has when each was read back.
func (s *Stand) WriteVerified(ctx context.Context, volume string, node *nodes.Node) error {
	u, err := s.user()
	if err != nil {
		return err
	}
	const block = "bs=64k count=4 status=none"
	return u.run(ctx, task{name: "writer-" + volume, host: node.Name, volume: volume, command: fmt.Sprintf(`set -e; mountpoint -q data; n=0
while ! test -e %[1]s; do
	{ printf '%%-4096s' '%[2]s'; head -c 258048 /dev/urandom; } > block
	dd if=block of=data/block %[3]s oflag=direct conv=fsync
	dd if=data/block of=back %[3]s iflag=direct
	cmp block back
	date +%%s%%N >> %[4]s
	n=$((n+1)); echo $n > data/blocks
	sleep 0.1
done
sync -f data/blocks; test $n -gt 50`, writerEnds, Written(volume), block, roundsOf(volume))})
}

// Written begins each block on the volume.
func Written(volume string) string { return "written and read back on " + volume + " " }

// roundsOf a writer is a file on its node.
func roundsOf(volume string) string { return "/run/rounds-" + volume }

// Rounds are when the writer of a volume had read back each block that it wrote.
func (s *Stand) Rounds(volume string, node *nodes.Node) (rounds []time.Time, err error) {
	text, err := node.ReadFile(roundsOf(volume))
	if err != nil {
		return nil, err
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	for line := range strings.Lines(string(whole)) {
		ns, err := strconv.ParseInt(strings.TrimSuffix(line, "\n"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading when %s wrote: %w", node.Name, err)
		}
		rounds = append(rounds, time.Unix(0, ns))
	}
	return rounds, nil
}

// StayFragile runs a task on a node until EndWriters, of a framework that doesn't checkpoint: it ends with the Mesos agent.
func (s *Stand) StayFragile(ctx context.Context, node *nodes.Node) error {
	u, err := s.user()
	if err != nil {
		return err
	}
	return u.run(ctx, task{name: "fragile", host: node.Name, fragile: true, command: "while ! test -e " + writerEnds + "; do sleep 0.2; done"})
}

// EndWriters on all nodes.
func (s *Stand) EndWriters() error {
	for _, node := range s.Nodes() {
		if err := node.WriteFile(writerEnds, nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}
