package installer

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
)

// sdcGUIDOwn is the fact that the SDC's GUID was made on this machine. Machines made from one image share it otherwise, and two clients with one GUID knock
// each other out (error 548). One that serves another system stays: that one's mappings hang on it.
//
// The witness is a drop-in of the SDC's unit that lets it start on the machine whose GUID it is, and on no other. It is there before the SDC's package is, and in an
// image it is copied with the GUID: the copy's scini doesn't start at boot, beside or before the agent, but when the agent has renewed the GUID. PID 1 alone
// compares, so that without an agent the client goes on starting where it belongs.
type sdcGUIDOwn struct{ *orders }

func ownSDCGUID(o *orders) step.Step { return sdcGUIDOwn{o} }

func (sdcGUIDOwn) Name() string { return "own-sdc-guid" }

const (
	guidWitnessDir = "/etc/systemd/system/" + scaleio.UnitSDC + ".d"
	guidWitness    = guidWitnessDir + "/scaleio-agent-guid.conf"
	guidMadeOn     = "ConditionHost=" // a machine-id is compared with the machine's since systemd 189
)

func guidWitnessText(machineID string) string {
	return `# Written by scaleio-agent: the GUID in drv_cfg.txt was made on the machine with this machine-id. A copy of that machine has to get
# another one before its client starts, or the two knock each other out; its agent sees to that.
[Unit]
` + guidMadeOn + machineID + "\n"
}

// madeOn is the machine-id of the witness; "" = there is none.
func (o *orders) madeOn() (string, error) {
	data, err := o.sys.Files.Read(guidWitness)
	if errors.Is(err, platform.ErrNotFound) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), guidMadeOn); ok {
			return strings.TrimSpace(id), nil
		}
	}
	return "", nil
}

func (s sdcGUIDOwn) Check(context.Context) (step.Finding, error) {
	madeOn, err := s.madeOn()
	if err != nil {
		return step.Finding{}, err
	}
	text, file, err := s.text()
	switch {
	case err != nil:
		return step.Finding{}, err
	case madeOn == s.sys.Facts.MachineID && (file == "" || text.GUID != ""):
		return step.OK("the SDC's GUID is this machine's own"), nil
	case file == "":
		return step.Need("NoWitness", "no SDC is here: its GUID will be this machine's own"), nil
	case madeOn != "":
		return step.Need("ClonedGUID", "the SDC's GUID was made on machine %s: a copy of it would knock that one's client out", madeOn), nil
	case len(text.Addresses()) == 0:
		return step.Need("UnknownGUID", "the SDC was here before the agent and has no system: its GUID may be that of an image, so that it gets one of its own"), nil
	case len(s.managers()) == 0 || shares(text.Addresses(), s.managers()):
		return step.Need("NoWitness", "the SDC was here before the agent and has a system: its GUID is kept"), nil
	}
	// Another system may have mapped volumes to this GUID: they would be lost with it.
	return step.Block("ForeignGUID", "the SDC was here before the agent and serves another system (%s), which knows it by its GUID. If it is this machine's own, write [Unit] and %s%s, a line each, to %s: "+
		"it is kept, and this cluster's managers are added. If it came with an image, take the mdm lines of that system from %s: it gets a new one",
		strings.Join(text.Addresses(), ","), guidMadeOn, s.sys.Facts.MachineID, guidWitness, file), nil
}

// text of drv_cfg.txt; file is "" while there is none.
func (o *orders) text() (text scaleio.DrvCfgText, file string, err error) {
	file = drvCfg(o.sys.Files, o.sys.Commands).File
	data, err := o.sys.Files.Read(file)
	if errors.Is(err, platform.ErrNotFound) {
		return text, "", nil
	} else if err != nil {
		return text, "", err
	}
	text, err = scaleio.ParseDrvCfgText(data)
	return text, file, err
}

func (s sdcGUIDOwn) Apply(ctx context.Context) error {
	f, err := s.Check(ctx)
	if err != nil {
		return err
	}
	if f.Verdict != step.Needed {
		return nil
	}
	if f.Reason == "ClonedGUID" || f.Reason == "UnknownGUID" {
		if err := s.renew(f.Message); err != nil {
			return err
		}
	}
	if err := s.sys.Files.MkdirAll(guidWitnessDir, 0o755); err != nil {
		return err
	}
	if err := s.sys.Files.Write(guidWitness, []byte(guidWitnessText(s.sys.Facts.MachineID)), 0o644); err != nil {
		return err
	}
	return s.sys.Units.Reload(ctx)
}

// renew the GUID in the file; load-scini has the driver take it.
func (s sdcGUIDOwn) renew(why string) error {
	text, file, err := s.text()
	if err != nil || file == "" {
		return err
	}
	mode, _, err := s.sys.Files.Stat(file)
	if err != nil {
		return err
	}
	renewed := text.WithGUID(uuid.NewString())
	s.opts.Log.Info("renewing the SDC's GUID", "was", text.GUID, "is", renewed.GUID, "why", why)
	return s.sys.Files.Write(file, renewed.Text(), mode.Perm())
}
