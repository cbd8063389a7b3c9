package cases

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/nodes"
	"scaleio-framework/test/scaleio/wire"
)

// Filler is an app that fills its volume as fast as it can, up to a point, and goes on writing until it is told to stop. A write that takes long or fails ends it.
type Filler struct {
	Node   *nodes.Node
	Volume string
	done   chan error
}

const (
	stopFile   = "/run/filler-stop"
	fillVolume = 320 // GB: thin, so it may be more than there is
	longest    = 20  // seconds that a write may take
)

// StartFiller on a node, to bring the pool to so many percent of what may be used. The pool counts whole chunks, however little is in them: a block in each is
// enough, and this machine's own disk has room for that.
func (s *Stand) StartFiller(ctx context.Context, node *nodes.Node, percent int) (*Filler, error) {
	status, err := s.Status(ctx)
	if err != nil {
		return nil, err
	}
	if status.Storage == nil || status.Storage.Pool == nil {
		return nil, fmt.Errorf("starting an app that fills the pool: the leader shows no pool")
	}
	chunks := chunksTo(*status.Storage.Pool, percent)
	u, err := s.user()
	if err != nil {
		return nil, err
	}
	if _, err := node.Output(ctx, "rm", "-f", stopFile); err != nil {
		return nil, err
	}
	f := &Filler{Node: node, Volume: "filling-" + strconv.FormatInt(time.Now().Unix(), 36), done: make(chan error, 1)}
	go func() {
		f.done <- u.run(ctx, task{name: "fill", host: node.Name, volume: f.Volume, gb: fillVolume, command: fillCommand(chunks)})
	}()
	return f, nil
}

func chunksTo(p api.PoolView, percent int) int64 {
	return ((p.RawBytes-p.SpareBytes)/100*int64(percent) - p.InUseBytes) / 2 / wire.ChunkBytes
}

// fillCommand lays out a file without writing it, then writes one block of each chunk, and after that the first ones again and again.
func fillCommand(chunks int64) string {
	const block = 4096
	return fmt.Sprintf(`set -e
mountpoint -q data
fallocate -l %d data/fill
i=0; last=$(date +%%s)
while [ ! -e %s ]; do
  dd if=/dev/urandom of=data/fill bs=%d count=1 seek=$((i %% %d * %d)) conv=notrunc oflag=direct status=none
  i=$((i + 1)); if [ $i -gt %d ]; then sleep 0.1; fi
  now=$(date +%%s); if [ $((now - last)) -gt %d ]; then echo "a write took $((now - last)) s"; exit 1; fi; last=$now
done`, chunks*wire.ChunkBytes, stopFile, block, chunks, wire.ChunkBytes/block, chunks, longest)
}

// Ended says why it ended though it wasn't told to; nil while it goes on.
func (f *Filler) Ended() error {
	select {
	case err := <-f.done:
		f.done <- err
		if err == nil {
			err = fmt.Errorf("the app that fills the pool ended by itself")
		}
		return err
	default:
		return nil
	}
}

// Stop it. It fails if the app had failed before: then a write of it failed, or took too long.
func (f *Filler) Stop(ctx context.Context) error {
	if _, err := f.Node.Output(ctx, "touch", stopFile); err != nil { // /run is the running machine's own
		return err
	}
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	select {
	case err := <-f.done:
		f.done <- err
		return err
	case <-limit.C:
		return fmt.Errorf("the app that fills the pool doesn't end")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
