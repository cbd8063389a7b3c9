package installer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

// volumesKept is the fact that no volume which was to end with this instance when its node left still does, now that the node is back. What goes into the pool
// outlives its instance, so no disk is handed over before.
type volumesKept struct{ *orders }

func keepVolumes(o *orders) step.Step { return volumesKept{o} }

func (volumesKept) Name() string { return "keep-volumes" }

// keepsVolumes: whose volumes never were to end with the instance has nothing to do.
func (o *orders) keepsVolumes() bool { return o.Spec.Growth != nil && len(o.Spec.Growth.Left) > 0 }

// kept is for which volumes this process saw to it. EC2 is the record: another process looks again.
type kept struct {
	mu  sync.Mutex
	all string
}

func (k *kept) is(volumes []string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all == strings.Join(volumes, " ")
}

func (k *kept) put(volumes []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = strings.Join(volumes, " ")
}

func (s volumesKept) Check(context.Context) (step.Finding, error) {
	left := s.Spec.Growth.Left
	if !s.kept.is(left) {
		return step.Need("NotKept", "this node stays: %s must outlive its instance again", strings.Join(left, ", ")), nil
	}
	return step.OK("%s outlive this instance", strings.Join(left, ", ")), nil
}

func (s volumesKept) Apply(ctx context.Context) error {
	r := &round{volumesBought: volumesBought(s), shown: map[string]aws.Volume{}}
	err := r.openCloud(ctx, r)
	if err == nil {
		err = r.see(ctx, map[string]string{api.TagCluster: s.Spec.Version.Cluster, api.TagNode: s.Spec.Node})
	}
	if err != nil {
		return fmt.Errorf("looking which volumes end with this instance: %w", err)
	}
	if err := s.lookFor(ctx, r); err != nil {
		return err
	}
	for _, id := range s.Spec.Growth.Left {
		if _, here := r.shown[id].On(r.instance); !here {
			continue
		}
		if err := r.volumes.SetDeleteOnTermination(ctx, id, false); err != nil {
			return fmt.Errorf("setting that volume %s outlives its instance, before a disk of this node is handed over: %w", id, err)
		}
		s.opts.Log.Info("a volume outlives its instance", "volume", id)
	}
	s.kept.put(s.Spec.Growth.Left)
	return nil
}

// lookFor those that EC2 didn't show here: its reads lag, and a person may have taken their tags away. One whose disk is here is attached, whatever EC2 shows.
func (s volumesKept) lookFor(ctx context.Context, r *round) error {
	var missing []string
	for _, id := range s.Spec.Growth.Left {
		if _, here := r.shown[id].On(r.instance); !here {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	found, err := r.volumes.Describe(ctx, missing...)
	if err != nil {
		return fmt.Errorf("looking whether %s end with this instance: %w", strings.Join(missing, ", "), err)
	}
	disks, err := s.survey.look(ctx, s.orders)
	if err != nil {
		return err
	}
	for _, id := range missing {
		if v, ok := found[id]; ok {
			r.shown[id] = v
		}
		if _, here := r.shown[id].On(r.instance); !here && slices.ContainsFunc(disks, func(d surveyed) bool { return d.ID == id }) {
			return fmt.Errorf("looking whether volume %s ends with this instance: its disk is here, and EC2 doesn't show that: nothing is handed over before it does", id)
		}
	}
	return nil
}
