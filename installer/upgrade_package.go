package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// packageUpgraded is the fact that a component is as new as the manifest says. It interrupts a daemon, so it waits for its turn: the scheduler gives it to one node
// of the cluster at a time, for one component, while the storage can miss it. A daemon is simply restarted; only the SDS's is of weight for data, and what it
// misses while its package is replaced is copied again before the next node's turn. Its product's maintenance mode would save that, at the price of a single copy
// of data without rebuild until somebody ends it: with an agent that can die at any moment that is the worse of the two.
type packageUpgraded struct {
	installPackage
	*orders
	daemon step.Step // that tells whether its daemon runs, and starts it; nil = left to other steps
}

func upgradeGateway(o *orders) step.Step {
	return packageUpgraded{newInstallPackage(o, scaleio.Gateway), o, runGateway(o)}
}

func upgradeMDM(o *orders) step.Step {
	return packageUpgraded{newInstallPackage(o, scaleio.MDM), o, runMDM(o)}
}

func upgradeSDS(o *orders) step.Step {
	return packageUpgraded{newInstallPackage(o, scaleio.SDS), o, runSDS(o)}
}

// upgradeSDC: what is loaded stays, so the new driver works after the next boot, and the steps of the module and the reboot see to that.
func upgradeSDC(o *orders) step.Step {
	return packageUpgraded{newInstallPackage(o, scaleio.SDC), o, nil}
}

func (s packageUpgraded) Name() string { return "upgrade-" + s.component }

// Reasons of an upgrade.
const (
	reasonUpgradeWaits = "UpgradeWaits"
	reasonUpgradeBegun = "UpgradeBegun"
)

// upgradeBegun is what the intent of an upgrade says.
type upgradeBegun struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (s packageUpgraded) begun() (u upgradeBegun, begun bool, err error) {
	left, begun, err := s.installPackage.intents.get(intentUpgrade, s.component)
	if err != nil || !begun {
		return u, false, err
	}
	if err := json.Unmarshal(left.Detail, &u); err != nil {
		return u, false, fmt.Errorf("reading the intent to upgrade %s: %w", s.component, err)
	}
	return u, true, nil
}

func (s packageUpgraded) state(ctx context.Context) (platform.PackageState, error) {
	state, err := s.packages.State(ctx, s.pkg)
	if errors.Is(err, platform.ErrNotFound) {
		return platform.PackageState{}, nil
	}
	return state, err
}

func (s packageUpgraded) Check(ctx context.Context) (step.Finding, error) {
	state, err := s.state(ctx)
	if err != nil {
		return step.Finding{}, err
	}
	u, begun, err := s.begun()
	if err != nil {
		return step.Finding{}, err
	}
	switch order := compareVersions(state.Version, s.wanted.Version); {
	case begun && s.listed:
		return s.resumed(ctx, state, u)
	case begun && !state.Configured:
		return step.Block("NoPackage", "the upgrade of %s from %s to %s was begun, and the manifest has no package for %s any more: list it again", s.component, u.From, u.To, s.os), nil
	case begun:
		return step.Need("UpgradeLeft", "%s %s is whole and the manifest has none for %s any more: the note of its upgrade can go", s.component, state.Version, s.os), nil
	case !s.listed || !state.Configured:
		return step.OK("there is no %s to upgrade", s.component), nil
	case order == 0:
		return step.OK("%s %s is what the manifest lists", s.component, state.Version), nil
	case order > 0:
		return s.downgrade(state.Version), nil
	}
	if f := s.refused(state.Version); f != nil {
		return *f, nil
	}
	return s.turn(ctx, state.Version, step.Satisfied) // a node that waits is whole, and at rest
}

func (s packageUpgraded) downgrade(installed string) step.Finding {
	return step.Block("Downgrade", "%s %s is installed and the manifest lists %s: it is never downgraded. List the installed version to go on; to go back, hold this node, put the older package on by hand and list it",
		s.component, installed, s.wanted.Version)
}

// refused says why what is listed is never put over what is installed.
func (s packageUpgraded) refused(installed string) *step.Finding {
	var f step.Finding
	if !s.takes(s.wanted.Format) {
		f = step.Block("PackageFormat", "the manifest's %s package for %s is a %s, which can't be installed there", s.component, s.os, s.wanted.Format)
		return &f
	}
	if _, err := scaleio.LimitsOf(s.wanted.Version); err != nil {
		f = step.Block("UnknownVersion", "%s %s isn't replaced by the manifest's %s: %v. List one that it knows, or put a newer scheduler and agent on first", s.component, installed, s.wanted.Version, err)
		return &f
	}
	return nil
}

// turn asks for it, once all is here that the upgrade needs.
func (s packageUpgraded) turn(ctx context.Context, installed string, waiting step.Verdict) (step.Finding, error) {
	what := fmt.Sprintf("%s %s is to be upgraded to %s", s.component, installed, s.wanted.Version)
	fetched, err := s.orders.digests.is(PackageFile(s.wanted), s.wanted.SHA256)
	if err != nil {
		return step.Finding{}, err
	}
	if !fetched {
		return step.Finding{Verdict: waiting, Reason: reasonUpgradeWaits, Message: what + ": its package isn't fetched yet"}, nil
	}
	if s.daemon != nil { // one that a person masked can't be seen to come back
		if f, err := s.daemon.Check(ctx); err != nil {
			return step.Finding{}, err
		} else if f.Verdict == step.Blocked {
			return step.Finding{Verdict: waiting, Reason: reasonUpgradeWaits, Message: what + ": " + f.Message}, nil
		}
	}
	if s.component == scaleio.SDC {
		if f, err := s.moduleToCome(ctx, what); err != nil || f != nil {
			return orElse(f), err
		}
	}
	lease := api.UpgradeLease(s.component)
	s.Leases.Want(lease)
	if _, held := s.Leases.Left(lease); !held {
		return step.Finding{Verdict: waiting, Reason: reasonUpgradeWaits, Message: what + ": waits for its turn, one node at a time and while the storage is healthy"}, nil
	}
	if s.component == scaleio.Gateway && s.Secrets.GatewayAdmin.Empty() {
		return step.Finding{Verdict: waiting, Reason: reasonUpgradeWaits, Message: what + ": the scheduler has yet to send the gateway's password"}, nil
	}
	return step.Need("OlderVersion", "%s", what), nil
}

// resumed goes on from an upgrade that was begun. Until it is whole it keeps its turn, so no other node begins.
func (s packageUpgraded) resumed(ctx context.Context, state platform.PackageState, u upgradeBegun) (step.Finding, error) {
	s.Leases.Want(api.UpgradeLease(s.component))
	order := compareVersions(state.Version, s.wanted.Version)
	switch {
	case state.Version != "" && order > 0:
		f := s.downgrade(state.Version)
		f.Message = fmt.Sprintf("the upgrade from %s was begun: %s", u.From, f.Message)
		return f, nil
	case state.Configured && order < 0: // nothing of it was done, or all was undone
		return s.turn(ctx, state.Version, step.Waiting)
	case !state.Configured:
		return s.unfinished(ctx, u)
	}
	if s.daemon != nil {
		if f, err := s.daemon.Check(ctx); err != nil {
			return step.Finding{}, err
		} else if f.Verdict != step.Satisfied && f.Verdict != step.Needed {
			f.Message = fmt.Sprintf("%s was upgraded from %s to %s: %s", s.component, u.From, state.Version, f.Message)
			return f, nil
		}
	}
	return step.Need("Upgraded", "%s was upgraded from %s to %s; that its daemon runs is to be seen", s.component, u.From, state.Version), nil
}

// unfinished: its scripts run again. They interrupt a daemon that runs all the same, so then the storage has to be able to miss it as before the first try; one that
// is down is mended at once.
func (s packageUpgraded) unfinished(ctx context.Context, u upgradeBegun) (step.Finding, error) {
	what := fmt.Sprintf("the upgrade of %s from %s to %s was begun and isn't finished; no other node is upgraded before", s.component, u.From, s.wanted.Version)
	if s.component == scaleio.Gateway && s.Secrets.GatewayAdmin.Empty() {
		return step.Wait(reasonUpgradeWaits, "%s: the scheduler has yet to send the gateway's password", what), nil
	}
	if s.daemon != nil {
		f, err := s.daemon.Check(ctx)
		if err != nil {
			return step.Finding{}, err
		}
		if _, held := s.Leases.Left(api.UpgradeLease(s.component)); f.Verdict == step.Satisfied && !held {
			return step.Wait(reasonUpgradeWaits, "%s: its daemon runs, so it waits until the storage can miss it", what), nil
		}
	}
	return step.Need(reasonUpgradeBegun, "%s", what), nil
}

func (s packageUpgraded) Apply(ctx context.Context) error {
	state, err := s.state(ctx)
	if err != nil {
		return err
	}
	u, begun, err := s.begun()
	if err != nil {
		return err
	}
	order := compareVersions(state.Version, s.wanted.Version)
	if !begun && (!state.Configured || order >= 0 || !s.listed) || begun && !s.listed {
		return s.installPackage.intents.clear(intentUpgrade, s.component)
	}
	if !begun {
		u = upgradeBegun{From: state.Version, To: s.wanted.Version}
	}
	if !state.Configured || order != 0 {
		if err := s.replace(ctx, state, u); err != nil {
			return fmt.Errorf("upgrading %s on this node from %s to %s: %w; no other node is upgraded until this one is whole: mend what it says, it is tried again", s.component, u.From, s.wanted.Version, err)
		}
	}
	return s.settle(ctx, u)
}

// replace the package. The note comes first: from here on the node is the one that is interrupted, whatever becomes of this process.
func (s packageUpgraded) replace(ctx context.Context, state platform.PackageState, u upgradeBegun) error {
	var f step.Finding
	var err error
	if state.Configured {
		f, err = s.turn(ctx, state.Version, step.Waiting)
	} else {
		f, err = s.unfinished(ctx, u)
	}
	if err != nil {
		return err
	}
	if f.Verdict != step.Needed {
		return fmt.Errorf("not any more: %s", f.Message)
	}
	if err := s.installPackage.intents.put(intentUpgrade, s.component, u); err != nil {
		return err
	}
	s.opts.Log.Info("upgrading", "component", s.component, "from", u.From, "to", s.wanted.Version)
	return s.installPackage.Apply(ctx)
}

// settle ends the upgrade once its daemon runs again.
func (s packageUpgraded) settle(ctx context.Context, u upgradeBegun) error {
	if s.daemon != nil {
		f, err := s.daemon.Check(ctx)
		if err == nil && f.Verdict == step.Needed {
			if err = s.daemon.Apply(ctx); err == nil {
				f, err = s.daemon.Check(ctx)
			}
		}
		switch {
		case err != nil:
			return fmt.Errorf("starting %s, upgraded from %s to %s: %w", s.component, u.From, s.wanted.Version, err)
		case f.Verdict == step.Needed:
			return fmt.Errorf("%s was upgraded from %s to %s and doesn't come up: %s; no other node is upgraded until it does: see journalctl -u %s", s.component, u.From, s.wanted.Version, f.Message, scaleio.Unit(s.component))
		case f.Verdict != step.Satisfied: // it takes its time, or a person masked it: Check goes on from the note
			return nil
		}
	}
	return s.installPackage.intents.clear(intentUpgrade, s.component)
}
