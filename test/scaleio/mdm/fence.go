package mdm

import (
	"context"
	"errors"
	"slices"
	"sync"

	"scaleio-framework/test/scaleio/wire"
)

var errUnchanged = errors.New("nothing to change")

// fenced changes where data may be written: the change is durable, then every SDS with a copy refuses the older generation, and only then SDCs
// learn the new places. change tells which volumes it touched; it has raised their generation.
func (o *office) fenced(change func(*State) ([]string, error)) error {
	o.fencing.Lock()
	defer o.fencing.Unlock()
	var volumes []string
	defer func() { o.sdcs.thaw(volumes) }()
	err := o.write(func(s *State) (err error) {
		volumes, err = change(s)
		if err == nil {
			o.sdcs.freeze(o.state.Load(), volumes)
		}
		return err
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, id := range volumes {
		o.raiseGeneration(o.ctx, id)
	}
	return nil
}

// raiseGeneration tells every SDS that holds a copy and can be reached; it returns those that know it now.
func (o *office) raiseGeneration(ctx context.Context, volume string) []string {
	s := o.state.Load()
	v := find(s.Volumes, func(v *Volume) bool { return v.ID == volume })
	if v == nil {
		return nil
	}
	var ids []string
	for _, c := range v.Chunks {
		for _, p := range c.Copies {
			if !slices.Contains(ids, p.SDS) && o.sdss.connected(p.SDS) {
				ids = append(ids, p.SDS)
			}
		}
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	var told []string
	for _, id := range ids {
		wait.Go(func() {
			_, err := askSDS(ctx, s.address(id), fenceTimeout, wire.SDSRequest{Op: "set-generation", System: s.System.ID, SDS: id, Volume: v.ID, Generation: v.Generation})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				told = append(told, id)
				return
			}
			o.node.log.Warn("telling an SDS the new generation failed", "sds", id, "volume", v.ID, "err", err)
		})
	}
	wait.Wait()
	return told
}
