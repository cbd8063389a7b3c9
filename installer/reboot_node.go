package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
	"scaleio-framework/scheduler/api"
)

// nodeRebooted is the fact that nothing asks for a reboot. By default that is only said; with the policy rolling it is done, under the disruption lease and one
// node at a time, and never into a kernel without its module.
type nodeRebooted struct{ *orders }

func rebootNode(o *orders) step.Step {
	if o.Spec.Reboots != api.RebootsRolling {
		return rebootTold{rebooted: nodeRebooted{o}}
	}
	return nodeRebooted{o}
}

// rebootTold only says that a reboot is needed: they are people's.
type rebootTold struct {
	step.Watched
	rebooted nodeRebooted
}

func (rebootTold) Name() string { return stepReboot }

func (s rebootTold) Check(ctx context.Context) (step.Finding, error) {
	f, err := s.rebooted.Check(ctx)
	if f.Verdict == step.Needed { // the note of a reboot under the former policy
		f.Verdict = step.Satisfied
	}
	return f, err
}

func (nodeRebooted) Name() string { return stepReboot }

const stepReboot = "reboot-node"

// WantsReboot tells whether a condition says that this node needs a reboot, whoever is to see to it.
func WantsReboot(c api.Condition) bool {
	switch c.Reason {
	case reasonRebootNeeded, reasonRebootHeld, reasonRebootWaits, reasonActUnderWay, reasonRebooting, api.ReasonWaitingForStep, api.ReasonHeld, api.ReasonApplying:
		return c.Type == stepReboot
	}
	return false
}

// Reasons of reboot-node.
const (
	reasonRebootHeld  = "RebootHeld"
	reasonRebootWaits = "WaitingForLease"
	reasonActUnderWay = "ActUnderWay"
	reasonRebooting   = "Rebooting"
)

// rebootTime is how long a machine may take to go down after it was asked.
const rebootTime = 5 * time.Minute

// rebootAsked is what the intent of a reboot says.
type rebootAsked struct {
	Why  string `json:"why"`
	From string `json:"from"` // kernel
	To   string `json:"to"`
}

// rebootReasons says what asks for a reboot, in words for people; none = nothing does.
func (o *orders) rebootReasons(ctx context.Context) (reasons []string, next kmod.Next, err error) {
	if why, err := o.rebootRequired(); err != nil {
		return nil, next, err
	} else if why != "" {
		reasons = append(reasons, why)
	}
	next, err = o.nextKernel(ctx)
	if err != nil {
		return nil, next, err
	}
	version, waits, err := o.updateWaiting(ctx)
	if err != nil {
		return nil, next, err
	}
	if waits {
		reasons = append(reasons, "the update of the system to "+version+" waits")
	}
	if next.Release != o.sys.Facts.Kernel {
		reasons = append(reasons, fmt.Sprintf("kernel %s is to be booted (%s), %s runs", next.Release, next.From, o.sys.Facts.Kernel))
	}
	if o.sys.Facts.Container == "" {
		loaded, err := kmod.Loaded(o.sys.Files, scaleio.ModuleName)
		if err != nil {
			return nil, next, err
		}
		other, err := o.otherModule(ctx, loaded)
		if err != nil {
			return nil, next, err
		}
		if other != "" && loaded.Users > 0 {
			reasons = append(reasons, other+", and it is in use")
		}
	}
	return reasons, next, nil
}

// rebootRequired as Debian's and Ubuntu's packages leave it; elsewhere the kernel and the update tell.
func (o *orders) rebootRequired() (string, error) {
	for _, file := range []string{"/run/reboot-required", "/var/run/reboot-required"} {
		_, _, err := o.sys.Files.Stat(file)
		if errors.Is(err, platform.ErrNotFound) {
			continue
		} else if err != nil {
			return "", err
		}
		packages, err := o.sys.Files.Read(file + ".pkgs")
		if err != nil && !errors.Is(err, platform.ErrNotFound) {
			return "", err
		}
		if names := strings.Fields(string(packages)); len(names) > 0 {
			return "packages ask for it: " + strings.Join(names, ", "), nil
		}
		return file + " asks for it", nil
	}
	return "", nil
}

func (s nodeRebooted) asked() (intent, rebootAsked, bool, error) {
	left, ok, err := s.intents.get(intentReboot, "")
	if err != nil || !ok {
		return left, rebootAsked{}, false, err
	}
	var r rebootAsked
	if err := json.Unmarshal(left.Detail, &r); err != nil {
		return left, r, false, fmt.Errorf("reading the intent to reboot: %w", err)
	}
	return left, r, true, nil
}

func (s nodeRebooted) Check(ctx context.Context) (step.Finding, error) {
	left, r, begun, err := s.asked()
	if err != nil {
		return step.Finding{}, err
	}
	if begun && left.BootID == s.sys.Facts.BootID {
		s.Leases.Want(api.LeaseDisruption)
		if since := s.sys.Clock().Sub(left.Since); since < rebootTime {
			return step.Wait(reasonRebooting, "a reboot was asked %s ago: %s", since.Round(time.Second), r.Why), nil
		}
	}
	reasons, next, err := s.rebootReasons(ctx)
	if err != nil {
		return step.Finding{}, err
	}
	if begun && left.BootID != s.sys.Facts.BootID {
		if r.To != r.From && next.Release == r.To && s.sys.Facts.Kernel != r.To {
			return step.Block("RebootInVain", "this node was rebooted for kernel %s and came up with %s: look what the boot loader takes; remove %s to have it tried again",
				r.To, s.sys.Facts.Kernel, intentFile(intentReboot, "")), nil
		}
		return step.Need("Rebooted", "this node was rebooted (%s); the note of it can go", r.Why), nil
	}
	if begun && s.givenUp(reasons) {
		return step.Need("NotRebooted", "a reboot was asked and didn't come, and isn't wanted any more (%s); the note of it can go", r.Why), nil
	}
	if len(reasons) == 0 {
		return step.OK("nothing asks for a reboot"), nil
	}
	why := strings.Join(reasons, "; ")
	if s.Spec.Reboots != api.RebootsRolling {
		return step.Finding{Verdict: step.Satisfied, Reason: reasonRebootNeeded, Message: "a reboot is needed (" + why + "), and reboots are people's (policy never)"}, nil
	}
	return s.mayReboot(ctx, why)
}

// givenUp: what was asked for isn't needed, or people don't let it be done any more.
func (s nodeRebooted) givenUp(reasons []string) bool {
	return len(reasons) == 0 || s.Spec.Reboots != api.RebootsRolling
}

// mayReboot asks for the right to, once nothing on this node speaks against it.
func (s nodeRebooted) mayReboot(ctx context.Context, why string) (step.Finding, error) {
	if f, _, err := nextKernelPrepared(s).look(ctx); err != nil {
		return step.Finding{}, err
	} else if f.Verdict != step.Satisfied {
		return step.Wait(reasonRebootHeld, "a reboot is needed (%s) and held: %s", why, f.Message), nil
	}
	others, err := s.intents.all("")
	if err != nil {
		return step.Finding{}, err
	}
	for _, o := range others {
		if o.Kind != intentReboot {
			return step.Wait(reasonActUnderWay, "a reboot is needed (%s); %s isn't finished", why, o.Kind), nil
		}
	}
	s.Leases.Want(api.LeaseDisruption)
	if _, held := s.Leases.Left(api.LeaseDisruption); !held {
		return step.Wait(reasonRebootWaits, "a reboot is needed (%s): waits for the right to interrupt a node", why), nil
	}
	return step.Need(reasonRebootNeeded, "a reboot is needed: %s", why), nil
}

func (s nodeRebooted) Apply(ctx context.Context) error {
	left, _, begun, err := s.asked()
	if err != nil {
		return err
	}
	if begun && left.BootID != s.sys.Facts.BootID {
		return s.intents.clear(intentReboot, "")
	}
	if begun && s.sys.Clock().Sub(left.Since) < rebootTime {
		return nil // asked by the process before this one
	}
	reasons, next, err := s.rebootReasons(ctx)
	if err != nil {
		return err
	}
	if s.givenUp(reasons) {
		return s.intents.clear(intentReboot, "")
	}
	if _, held := s.Leases.Left(api.LeaseDisruption); !held {
		return errors.New("rebooting: the right to interrupt this node was lost")
	}
	if begun { // asked long ago, and nothing came of it
		if err := s.intents.clear(intentReboot, ""); err != nil {
			return err
		}
	}
	detail := rebootAsked{Why: strings.Join(reasons, "; "), From: s.sys.Facts.Kernel, To: next.Release}
	if err := s.intents.put(intentReboot, "", detail); err != nil {
		return err
	}
	s.opts.Log.Info("rebooting", "why", detail.Why, "kernel", detail.From, "next", detail.To)
	if err := s.sys.Reboots.Reboot(ctx); err != nil {
		return errors.Join(fmt.Errorf("rebooting this node: %w", err), s.intents.clear(intentReboot, "")) // refused: nothing happens
	}
	return nil
}
