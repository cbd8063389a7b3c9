package installer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform/aws"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

// volumesReleased is the fact that EBS volumes which expansions bought for this node, and which left the pool with it, end with its instance, where the operator wants
// that. It holds for a node that is being removed, after its SDS went: as long as a volume is in the pool its data outlives the instance. Nothing is detached or deleted here.
type volumesReleased struct{ *orders }

func releaseVolumes(o *orders) step.Step { return volumesReleased{o} }

func (volumesReleased) Name() string { return "release-volumes" }

// releasesVolumes: whoever bought none and whoever keeps them has nothing to do.
func (o *orders) releasesVolumes() bool {
	return o.Spec.Growth != nil && o.Spec.Growth.DeleteOnTermination
}

// releaseLimit is how long a removal waits for EC2: what couldn't be set by then is told, and the node's end isn't kept up.
const releaseLimit = 10 * time.Minute

// released is what this process did of it. EC2 is the record: another process looks again.
type released struct {
	mu    sync.Mutex
	since time.Time // of the first try
	over  bool
	done  []string // volumes that end with the instance
	kept  []string // those that outlive it, each with why
}

func (r *released) get() (over bool, done, kept []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over, r.done, r.kept
}

// begin anew: the node isn't being removed.
func (r *released) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since, r.over, r.done, r.kept = time.Time{}, false, nil, nil
}

func (r *released) end(done, kept []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over, r.done, r.kept = true, done, kept
}

// tried says for how long it has been tried.
func (r *released) tried(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since = now
	}
	return now.Sub(r.since)
}

func (s volumesReleased) Check(context.Context) (step.Finding, error) {
	over, done, kept := s.released.get()
	switch {
	case !over:
		return step.Need("NotReleased", "volumes that were bought for the pool are to end with this instance"), nil
	case len(kept) > 0:
		return step.Finding{Verdict: step.Satisfied, Reason: "OutliveInstance", Message: "these volumes outlive this instance and go on costing: " + strings.Join(kept, "; ")}, nil
	case len(done) == 0:
		return step.OK("no volume of an expansion is here"), nil
	}
	return step.OK("%s end with this instance", strings.Join(done, ", ")), nil
}

func (s volumesReleased) Apply(ctx context.Context) error {
	r := &round{volumesBought: volumesBought(s), shown: map[string]aws.Volume{}}
	done, kept, err := s.release(ctx, r)
	if err != nil && ctx.Err() == nil && s.released.tried(s.sys.Clock()) >= releaseLimit {
		kept, err = append(kept, fmt.Sprintf("whatever is attached and isn't named here: it couldn't be set for %s: %v", releaseLimit, err)), nil
	}
	if err != nil {
		return err
	}
	for _, why := range kept {
		s.opts.Log.Warn("a volume that left the pool outlives its instance", "volume", why)
	}
	s.released.end(done, kept)
	return nil
}

// release what EC2 shows here of what this node bought.
func (s volumesReleased) release(ctx context.Context, r *round) (done, kept []string, err error) {
	if r.disks, err = s.survey.look(ctx, s.orders); err == nil {
		err = r.openCloud(ctx, r)
	}
	if err == nil {
		err = r.see(ctx, map[string]string{api.TagCluster: s.Spec.Version.Cluster, api.TagNode: s.Spec.Node})
	}
	if errors.Is(err, aws.ErrDenied) && s.released.tried(s.sys.Clock()) >= deniedTime {
		return nil, []string{fmt.Sprintf("which they are isn't known: %v", err)}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("looking which volumes are to end with this instance: %w", err)
	}
	var failed []error
	for _, v := range r.shown {
		a, here := v.On(r.instance)
		if !here || v.Tags[api.TagExpansion] == "" { // a person's, or gone from here
			continue
		}
		if !slices.Contains(s.Spec.Growth.Left, v.ID) {
			if err := s.keepOne(ctx, r, v.ID, a); err != nil {
				failed = append(failed, err)
				continue
			}
			kept = append(kept, v.ID+" (it wasn't in the pool when this node began to leave)")
			continue
		}
		why, err := s.releaseOne(ctx, r, v.ID, a)
		switch {
		case err != nil:
			failed = append(failed, err)
		case why != "":
			kept = append(kept, v.ID+" ("+why+")")
		default:
			done = append(done, v.ID)
		}
	}
	slices.Sort(done)
	slices.Sort(kept)
	return done, kept, errors.Join(failed...)
}

// keepOne that may be anybody's by now: an earlier removal may have set that it ends with the instance.
func (s volumesReleased) keepOne(ctx context.Context, r *round, id string, a aws.Attachment) error {
	if !a.DeleteOnTermination {
		return nil
	}
	if err := r.volumes.SetDeleteOnTermination(ctx, id, false); err != nil {
		return fmt.Errorf("setting that volume %s, which wasn't in the pool, outlives its instance: %w", id, err)
	}
	return nil
}

// releaseOne says why a volume isn't released and never will be here.
func (s volumesReleased) releaseOne(ctx context.Context, r *round, id string, a aws.Attachment) (why string, err error) {
	for _, d := range disksThatMayBe(id, a.Device, r.disks) {
		refusals, err := s.sys.Disks.Inspect(ctx, d.at, s.diskRules())
		if err != nil {
			return "", fmt.Errorf("looking whether %s is used before it ends with this instance: %w", d.Path, err)
		}
		if i := slices.IndexFunc(refusals, used); i >= 0 {
			return "in use: " + refusals[i].Message, nil
		}
	}
	if a.DeleteOnTermination {
		return "", nil
	}
	switch err = r.volumes.SetDeleteOnTermination(ctx, id, true); {
	case errors.Is(err, aws.ErrDenied), errors.Is(err, aws.ErrInvalid):
		return err.Error(), nil
	case err != nil:
		return "", fmt.Errorf("setting that volume %s ends with its instance: %w", id, err)
	}
	s.opts.Log.Info("a volume that left the pool ends with its instance", "volume", id)
	return "", nil
}

// used: somebody has it, beside the pool that let go of it. What the pool wrote on it stands against nothing any more.
func used(r block.Refusal) bool {
	return slices.Contains([]string{block.ReasonRootDisk, block.ReasonMounted, block.ReasonSwap, block.ReasonHasHolder, block.ReasonMultipathMember, block.ReasonInUse}, r.Reason)
}
