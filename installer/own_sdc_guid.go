package installer

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/aws"
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
	guidMadeIn     = "Instance="      // EC2's, where the node is known by it
)

// A witness says where the GUID was made. PID 1 compares only the machine-id, which images often take with them: the instance id is the agent's to compare.
type witness struct{ machineID, instance string }

// ours: the GUID was made on this machine.
func (o *orders) ours(w witness) bool {
	return w.machineID == o.sys.Facts.MachineID && (w.instance == "" || !aws.IsInstanceID(o.Spec.Node) || w.instance == o.Spec.Node)
}

// text of the drop-in. PID 1 skips sections that begin with X-.
func (o *orders) witnessText() string {
	text := `# Written by scaleio-agent: the GUID in drv_cfg.txt was made on the machine with this machine-id. A copy of that machine has to get
# another one before its client starts, or the two knock each other out; its agent sees to that.
[Unit]
` + guidMadeOn + o.sys.Facts.MachineID + "\n"
	if aws.IsInstanceID(o.Spec.Node) {
		text += "[X-Scaleio-Agent]\n" + guidMadeIn + o.Spec.Node + "\n"
	}
	return text
}

// madeOn reads the witness; none gives an empty one.
func (o *orders) madeOn() (w witness, err error) {
	data, err := o.sys.Files.Read(guidWitness)
	if errors.Is(err, platform.ErrNotFound) {
		return w, nil
	} else if err != nil {
		return w, err
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if id, ok := strings.CutPrefix(line, guidMadeOn); ok {
			w.machineID = strings.TrimSpace(id)
		}
		if id, ok := strings.CutPrefix(line, guidMadeIn); ok {
			w.instance = strings.TrimSpace(id)
		}
	}
	return w, nil
}

func (s sdcGUIDOwn) Check(context.Context) (step.Finding, error) {
	made, err := s.madeOn()
	if err != nil {
		return step.Finding{}, err
	}
	text, file, err := s.text()
	switch {
	case err != nil:
		return step.Finding{}, err
	case s.ours(made) && (file == "" || text.GUID != ""):
		return step.OK("the SDC's GUID is this machine's own"), nil
	case file == "":
		return step.Need("NoWitness", "no SDC is here: its GUID will be this machine's own"), nil
	case made.machineID != "":
		return step.Need("ClonedGUID", "the SDC's GUID was made on machine %s %s: a copy of it would knock that one's client out", made.machineID, made.instance), nil
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
	if err := s.sys.Files.Write(guidWitness, []byte(s.witnessText()), 0o644); err != nil {
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
