package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

// nodeRebooted is the fact that nothing asks for a reboot. By default that is only said; with the policy rolling it is done, under the lease for it, one
// node at a time, and never into a kernel without its module.
type nodeRebooted struct{ *orders }

func rebootNode(o *orders) step.Step { return nodeRebooted{o} }

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
	reasonRebootWaits = "RebootWaits"
	reasonActUnderWay = "ActUnderWay"
	reasonRebooting   = "Rebooting"
)

// rebootTime is how long a machine may take to go down after it was asked.
const rebootTime = 5 * time.Minute

// rebootAsked is what the intent of a reboot says: why, and what must be otherwise after it.
type rebootAsked struct {
	Why    []string `json:"reasons"`
	From   string   `json:"from"` // kernel
	To     string   `json:"to"`
	System string   `json:"system,omitempty"` // version that an update was to replace
	Module bool     `json:"module,omitempty"` // another scini was loaded than the one that lies here, or with another GUID
}

func (r rebootAsked) why() string { return strings.Join(r.Why, "; ") }

// rebootReasons says what asks for a reboot, in words for people; none = nothing does.
func (o *orders) rebootReasons(ctx context.Context) (r rebootAsked, err error) {
	if why, err := o.rebootRequired(); err != nil {
		return r, err
	} else if why != "" {
		r.Why = append(r.Why, why)
	}
	next, err := o.nextKernel(ctx)
	if err != nil {
		return r, err
	}
	r.From, r.To = o.sys.Facts.Kernel, next.Release
	version, waits, err := o.updateWaiting(ctx)
	if err != nil {
		return r, err
	}
	if waits {
		r.System = o.sys.Facts.VersionID
		r.Why = append(r.Why, "the update of the system to "+version+" waits")
	}
	if r.To != r.From {
		r.Why = append(r.Why, fmt.Sprintf("kernel %s is to be booted (%s), %s runs", r.To, next.From, r.From))
	}
	loaded, other, err := o.loadedOther(ctx)
	if err != nil {
		return r, err
	}
	if other != "" && loaded.Users > 0 {
		r.Module = true
		r.Why = append(r.Why, other+", and it is in use")
	}
	return r, nil
}

// loadedOther says what is loaded, and how it differs from the module and the GUID that lie here. A container's is its host's.
func (o *orders) loadedOther(ctx context.Context) (loaded kmod.State, other string, err error) {
	if o.sys.Facts.Container != "" {
		return loaded, "", nil
	}
	if loaded, err = kmod.Loaded(o.sys.Files, scaleio.ModuleName); err != nil {
		return loaded, "", err
	}
	if other, err = o.otherModule(ctx, loaded); err != nil || other != "" || !loaded.Loaded {
		return loaded, other, err
	}
	if guid, err := o.otherGUID(ctx); err == nil { // that a driver doesn't answer load-scini says
		other = guid
	}
	return loaded, other, nil
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
		s.Leases.Want(api.LeaseReboot)
		if now := s.sys.Clock(); !left.older(rebootTime, now) {
			return step.Wait(reasonRebooting, "a reboot was asked %s ago: %s", max(0, now.Sub(left.Since)).Round(time.Second), r.why()), nil
		}
	}
	now, err := s.rebootReasons(ctx)
	if err != nil {
		return step.Finding{}, err
	}
	switch {
	case begun && left.BootID != s.sys.Facts.BootID && s.Spec.Reboots == api.RebootsRolling:
		return s.outcome(ctx, r, now)
	case begun && left.BootID != s.sys.Facts.BootID: // whether it helped decides whether another is tried: that is people's now
		return step.Need("Rebooted", "this node was rebooted (%s), and reboots are people's now (policy never); the note of it can go", r.why()), nil
	case begun && s.givenUp(now):
		return step.Need("NotRebooted", "a reboot was asked and didn't come, and isn't wanted any more (%s); the note of it can go", r.why()), nil
	case begun && !s.granted():
		return step.Need("NotRebooted", "a reboot was asked and didn't come, and the right to it is gone (%s); the note of it can go, and the next begins anew", r.why()), nil
	}
	if len(now.Why) == 0 {
		return step.OK("nothing asks for a reboot"), nil
	}
	if s.Spec.Reboots != api.RebootsRolling {
		return step.Finding{Verdict: step.Satisfied, Reason: reasonRebootNeeded, Message: "a reboot is needed (" + now.why() + "), and reboots are people's (policy never)"}, nil
	}
	return s.mayReboot(ctx, now.why())
}

// outcome of a reboot, seen from the next boot. What it was to end and didn't isn't tried again by another: that would never stop. The note of it stays until
// that is gone, since some of it shows late: the update engine fetches again what the boot loader fell back from, and scini is loaded and used after we start.
func (s nodeRebooted) outcome(ctx context.Context, r, now rebootAsked) (step.Finding, error) {
	vain := func(format string, args ...any) (step.Finding, error) {
		return step.Block("RebootInVain", "%s; remove %s to have it tried again", fmt.Sprintf(format, args...), intentFile(intentReboot, "")), nil
	}
	if kernel := s.sys.Facts.Kernel; r.To != r.From && now.To == r.To && kernel != r.To {
		return vain("this node was rebooted for kernel %s and came up with %s: look what the boot loader takes", r.To, kernel)
	}
	if r.System != "" && r.System == s.sys.Facts.VersionID {
		return vain("this node was rebooted (%s) and came up with version %s as before: look why the boot loader fell back", r.why(), r.System)
	}
	for _, why := range r.Why {
		if slices.Contains(now.Why, why) {
			return vain("this node was rebooted, and what asked for it still does (%s): find out why a reboot doesn't end it", why)
		}
	}
	if r.Module {
		sdc, err := s.sdc(ctx)
		if err != nil {
			return step.Finding{}, err
		}
		loaded, other, err := s.loadedOther(ctx)
		switch {
		case err != nil:
			return step.Finding{}, err
		case sdc.here && !loaded.Loaded:
			return step.Wait("Rebooted", "this node was rebooted (%s); whether that ended it shows when scini is loaded", r.why()), nil
		case other != "":
			return vain("this node was rebooted for its module, and %s: find out what loads that", other)
		}
	}
	return step.Need("Rebooted", "this node was rebooted (%s); the note of it can go", r.why()), nil
}

// givenUp: what was asked for isn't needed, or people don't let it be done any more.
func (s nodeRebooted) givenUp(now rebootAsked) bool {
	return len(now.Why) == 0 || s.Spec.Reboots != api.RebootsRolling
}

// granted: the right to reboot is here.
func (s nodeRebooted) granted() bool {
	_, held := s.Leases.Left(api.LeaseReboot)
	return held
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
	if by, err := s.sys.Reboots.Inhibitors(ctx); err != nil {
		return step.Finding{}, err
	} else if len(by) > 0 {
		return step.Wait(reasonRebootHeld, "a reboot is needed (%s) and held by %s: see systemd-inhibit --list", why, strings.Join(by, ", ")), nil
	}
	s.Leases.Want(api.LeaseReboot)
	if !s.granted() { // a node that waits is whole, and at rest: the next window may be days away
		return step.Finding{Verdict: step.Satisfied, Reason: reasonRebootWaits,
			Message: "a reboot is needed (" + why + "): waits for its turn, one node at a time, in the reboot window and while the storage is healthy (scaleio-scheduler plan says for what)"}, nil
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
	if begun && !left.older(rebootTime, s.sys.Clock()) {
		return nil // asked by the process before this one
	}
	detail, err := s.rebootReasons(ctx)
	if err != nil {
		return err
	}
	if s.givenUp(detail) || begun && !s.granted() { // noted still, it would keep its SDS from maintenance, and so the next from coming
		return s.intents.clear(intentReboot, "")
	}
	if f, err := s.mayReboot(ctx, detail.why()); err != nil { // since the look before, a package manager may have brought another kernel
		return err
	} else if f.Verdict != step.Needed { // also the right to: the storage isn't what it was
		return fmt.Errorf("rebooting: not any more: %s", f.Message)
	}
	if begun { // asked long ago, and nothing came of it
		if err := s.intents.clear(intentReboot, ""); err != nil {
			return err
		}
	}
	if err := s.intents.put(intentReboot, "", detail); err != nil {
		return err
	}
	if !s.granted() { // whoever took the right back knows by our not having noted it that we stay
		return errors.Join(errors.New("rebooting: not any more: the right to it was taken back"), s.intents.clear(intentReboot, ""))
	}
	s.opts.Log.Info("rebooting", "why", detail.why(), "kernel", detail.From, "next", detail.To)
	if err := s.sys.Reboots.Reboot(ctx); err != nil {
		err = fmt.Errorf("rebooting this node: %w", err)
		if errors.Is(err, systemd.ErrRefused) {
			err = errors.Join(err, s.intents.clear(intentReboot, ""))
		}
		return err // without a clear answer the note stays, and with it the lease: the boot id tells
	}
	return nil
}
