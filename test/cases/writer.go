package cases

import (
	"context"
	"fmt"

	"scaleio-framework/test/nodes"
)

// writerEnds is the file on a node that ends its writers.
const writerEnds = "/run/writers-end"

// WriteVerified runs a task on a node until EndWriters: it writes a block that no disk has seen, past all caches, and reads it back, several times a second. It
// fails with the first error of the device and with the first block that isn't what was written.
func (s *Stand) WriteVerified(ctx context.Context, volume string, node *nodes.Node) error {
	u, err := s.user()
	if err != nil {
		return err
	}
	const block = "bs=64k count=4 status=none"
	return u.run(ctx, task{name: "writer-" + volume, host: node.Name, volume: volume, command: fmt.Sprintf(`set -e; mountpoint -q data; n=0
while ! test -e %s; do
	dd if=/dev/urandom of=block %s
	dd if=block of=data/block %s oflag=direct conv=fsync
	dd if=data/block of=back %s iflag=direct
	cmp block back
	n=$((n+1)); echo $n > data/blocks
	sleep 0.2
done
sync -f data/blocks; test $n -gt 50`, writerEnds, block, block, block)})
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
