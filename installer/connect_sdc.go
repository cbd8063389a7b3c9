package installer

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
)

// sdcConnected is the fact that the SDC knows all managers, now and after the next boot, and that the system knows the SDC. Systems that others pointed it
// at stay.
type sdcConnected struct {
	files    Files
	commands Commands
	managers []string
	systemID string
}

func connectSDC(o *orders) step.Step {
	return sdcConnected{o.sys.Files, o.sys.Commands, o.managers(), o.Spec.SystemID}
}

func (sdcConnected) Name() string { return "connect-sdc" }

func (s sdcConnected) Check(ctx context.Context) (step.Finding, error) {
	if len(s.managers) == 0 {
		return step.Wait("WaitingForRoles", "the MDM managers aren't chosen yet"), nil
	}
	drv := drvCfg(s.files, s.commands)
	if !exists(s.files, drv.Path) {
		return step.Wait("NoSDC", "%s isn't there yet", drv.Path), nil
	}
	known, err := drv.MDMs(ctx)
	if raw, is := scaleio.UnknownDialect(err); is {
		return step.Block("UnknownDialect", "drv_cfg answers in words that this program doesn't know, nothing is changed: %.200q", raw), nil
	} else if err != nil {
		return step.Finding{}, err
	}
	ours, ok := s.ours(known)
	if !ok {
		return step.Need("NoMDM", "the SDC isn't pointed at %s", strings.Join(s.managers, ",")), nil
	}
	if s.systemID != "" && ours.Connected() && ours.SystemID != s.systemID {
		return step.Block("ForeignCluster", "%v answer the SDC as system %s, this cluster is %s", ours.IPs, ours.SystemID, s.systemID), nil
	}
	if !sameSet(ours.IPs, s.managers) {
		return step.Need("OtherMDMs", "the SDC is pointed at %s, the managers are %s", strings.Join(ours.IPs, ","), strings.Join(s.managers, ",")), nil
	}
	stored, err := s.stored(drv.File)
	if err != nil {
		return step.Finding{}, err
	}
	if !stored {
		return step.Need("NotStored", "%s doesn't name %s: the SDC would forget them at the next boot", drv.File, strings.Join(s.managers, ",")), nil
	}
	if !ours.Connected() {
		return step.Wait("NotConnected", "the SDC has no id yet: %s don't answer it, SDCs are restricted and this one isn't approved, or another node has the same GUID", strings.Join(ours.IPs, ",")), nil
	}
	return step.OK("SDC %s of system %s, MDMs %s", ours.SDCID, ours.SystemID, strings.Join(ours.IPs, ",")), nil
}

// ours is the entry of our system, else the one that shares an address with it.
func (s sdcConnected) ours(known []scaleio.KnownMDM) (scaleio.KnownMDM, bool) {
	for _, k := range known {
		if k.SystemID == s.systemID && s.systemID != "" {
			return k, true
		}
	}
	for _, k := range known {
		if slices.ContainsFunc(k.IPs, func(ip string) bool { return slices.Contains(s.managers, ip) }) {
			return k, true
		}
	}
	return scaleio.KnownMDM{}, false
}

var drvCfgLine = regexp.MustCompile(`(?im)^mdm\s+([0-9A-F:.,]+)\s*$`)

func (s sdcConnected) stored(file string) (bool, error) {
	text, err := s.files.Read(file)
	if errors.Is(err, platform.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	for _, m := range drvCfgLine.FindAllStringSubmatch(string(text), -1) {
		if sameSet(strings.Split(m[1], ","), s.managers) {
			return true, nil
		}
	}
	return false, nil
}

func (s sdcConnected) Apply(ctx context.Context) error {
	drv := drvCfg(s.files, s.commands)
	known, err := drv.MDMs(ctx)
	if err != nil {
		return err
	}
	ours, ok := s.ours(known)
	switch {
	case !ok:
		err = drv.AddMDM(ctx, s.managers)
	case !sameSet(ours.IPs, s.managers):
		err = drv.ModifyMDM(ctx, ours.IPs[0], s.managers)
	}
	if err != nil {
		return err
	}
	if stored, err := s.stored(drv.File); err != nil || stored {
		return err
	}
	return s.store(drv.File, ours.IPs)
}

// store replaces the line of our system, which has one of the old or the new addresses, or adds one. The GUID above it is the SDC's identity and stays.
func (s sdcConnected) store(file string, old []string) error {
	text, err := s.files.Read(file)
	if err != nil {
		return err
	}
	mode, _, err := s.files.Stat(file)
	if err != nil {
		return err
	}
	line, done := "mdm "+strings.Join(s.managers, ","), false
	var out []string
	for _, l := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if m := drvCfgLine.FindStringSubmatch(l); m != nil && shares(strings.Split(m[1], ","), append(old, s.managers...)) {
			if done {
				continue
			}
			l, done = line, true
		}
		out = append(out, l)
	}
	if !done {
		out = append(out, line)
	}
	return s.files.Write(file, []byte(strings.Join(out, "\n")+"\n"), mode.Perm())
}

func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
