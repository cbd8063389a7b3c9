package leader

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// A differ says what is still to be done.
type differ func(ctx context.Context, l *Leader, in Input) ([]Act, error)

func fromCluster(diff func(api.NodeSpec, scaleio.Cluster) []Act) differ {
	return func(ctx context.Context, l *Leader, in Input) ([]Act, error) {
		c, err := l.asMaster(ctx, in)
		if err != nil {
			return nil, err
		}
		return diff(in.Spec, c), nil
	}
}

func fromObjects(diff func(wanted, scaleio.Objects) []Act) differ {
	return func(ctx context.Context, l *Leader, in Input) ([]Act, error) {
		o, err := l.objectsSeen(ctx, in)
		if err != nil {
			return nil, err
		}
		return diff(in.wanted(), o), nil
	}
}

func (in Input) wanted() wanted {
	return wanted{ClusterSpec: *in.Spec.Cluster, Received: in.Received, Now: time.Now()}
}

// A duty is a step whose fact is "nothing is different".
type duty struct {
	name string
	lead *Leader
	in   Input
	diff differ
	many bool // one act for each of many nodes: one that can't be done holds up no other
}

func (d *duty) Name() string { return d.name }

// Check compares.
func (d *duty) Check(ctx context.Context) (step.Finding, error) {
	acts, err := d.diff(ctx, d.lead, d.in)
	if err != nil {
		return verdict(err)
	}
	if !d.many {
		return single(acts), nil
	}
	return d.several(acts), nil
}

// verdict turns what ended a look into a finding, if it is one.
func verdict(err error) (step.Finding, error) {
	var s *stop
	if errors.As(err, &s) {
		return s.finding, nil
	}
	if raw, is := scaleio.UnknownDialect(err); is {
		return step.Block(ReasonUnknownDialect, "%v; nothing is changed any more. The whole answer: %s", err, raw), nil
	}
	return step.Finding{}, err
}

func single(acts []Act) step.Finding {
	for _, a := range acts {
		if a.Obstacle != "" {
			return step.Block(a.Obstacle, "%s", a.Why)
		}
	}
	for _, a := range acts {
		if a.Wait != "" {
			return step.Wait(a.Wait, "%s", a.Why)
		}
	}
	if len(acts) > 0 {
		return step.Need(api.ReasonNeeded, "%s", reasons(acts))
	}
	return step.OK("as wanted")
}

// several is satisfied when nothing is left that this leader could do now and a person has to help with the rest, which the nodes' own conditions
// show too. What waits for another try or another node keeps only the last step from being satisfied: it would hold up everything behind it.
func (d *duty) several(acts []Act) step.Finding {
	var doable, waiting, hindered []Act
	for _, a := range acts {
		deferred := d.lead.isDeferred(a)
		switch {
		case a.Obstacle != "" || a.Wait == ReasonLimit:
			hindered = append(hindered, a)
		case deferred != nil:
			a.Why, a.Wait = deferred.Error(), api.ReasonFailed
			waiting = append(waiting, a)
		case a.Wait != "":
			waiting = append(waiting, a)
		default:
			doable = append(doable, a)
		}
	}
	switch {
	case len(doable) > 0:
		return step.Need(api.ReasonNeeded, "%s", reasons(doable))
	case len(waiting) > 0 && d.name == StepDevices:
		return step.Wait(waiting[0].Wait, "%s", reasons(waiting))
	case len(waiting)+len(hindered) > 0:
		return step.OK("all but %d: %s", len(waiting)+len(hindered), reasons(append(hindered, waiting...)))
	}
	return step.OK("as wanted")
}

const maxReasons = 5

func reasons(acts []Act) string {
	var why []string
	for i, a := range acts {
		if i == maxReasons {
			why = append(why, fmt.Sprintf("and %d more", len(acts)-i))
			break
		}
		why = append(why, a.Why)
	}
	return strings.Join(why, "; ")
}

// maxRounds: what was made may need putting right at once, as a pool of a version that doesn't know all its settings at birth.
const maxRounds = 3

// Apply does what can be done, in order, until a look shows nothing more to do.
func (d *duty) Apply(ctx context.Context) error {
	for range maxRounds {
		d.lead.forget() // seen anew right before acting
		acts, err := d.diff(ctx, d.lead, d.in)
		if err != nil {
			return err
		}
		acted := false
		for _, act := range acts {
			if !d.may(act) {
				continue
			}
			now, err := d.again(ctx, act)
			if err != nil {
				return err
			}
			if now == nil {
				d.lead.log.Info("not wanted any more", "act", act.Kind, "subject", act.Subject)
				continue
			}
			acted = true
			if err := d.do(ctx, *now); err != nil {
				return err
			}
		}
		if !acted {
			return nil
		}
	}
	return nil
}

func (d *duty) may(act Act) bool {
	return act.doable() && !(d.many && d.lead.isDeferred(act) != nil)
}

// errNotLeading: the right to lead was lost since the pass began.
var errNotLeading = errors.New("this node doesn't lead any more")

// again gives the act as it stands now, or nil if it isn't to be done any more. What is wanted is read again before each change: a disk may have been
// refused since, a node put under the brake; and what is there is looked at again after each.
func (d *duty) again(ctx context.Context, act Act) (*Act, error) {
	if d.in.Latest != nil {
		in, leading := d.in.Latest()
		if !leading {
			return nil, errNotLeading
		}
		d.in = in
	}
	acts, err := d.diff(ctx, d.lead, d.in)
	if err != nil {
		return nil, err
	}
	for _, a := range acts {
		if a.key() == act.key() && d.may(a) {
			return &a, nil
		}
	}
	return nil, nil
}

// do one act. Whatever the answer was, the system is looked at again: a lost answer may have been a yes, an "already exists" may be another's.
func (d *duty) do(ctx context.Context, act Act) error {
	if err := d.lead.mayAct(ctx, d.in, scaleio.CallTimeout); err != nil {
		return fmt.Errorf("%s: %w", act.key(), err)
	}
	d.lead.log.Info("acting", "act", act.Kind, "subject", act.Subject, "why", act.Why)
	err := d.lead.perform(ctx, d.in, act)
	d.lead.forget()
	if err == nil {
		return nil
	}
	if still, lookErr := d.stillThere(ctx, act); lookErr == nil && !still {
		d.lead.log.Info("done in spite of the answer", "act", act.Kind, "subject", act.Subject, "err", err)
		return nil
	}
	err = fmt.Errorf("%s %s: %w", act.Kind, act.Subject, classify(err))
	if d.many && deferrable(err) {
		d.lead.log.Warn("put off", "act", act.Kind, "subject", act.Subject, "err", err)
		d.lead.deferAct(act, err)
		return nil
	}
	return err
}

func (d *duty) stillThere(ctx context.Context, act Act) (bool, error) {
	acts, err := d.diff(ctx, d.lead, d.in)
	if err != nil {
		return true, err
	}
	for _, a := range acts {
		if a.key() == act.key() {
			return true, nil
		}
	}
	return false, nil
}
