package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/aws"
)

// sdcGUIDOwn is the fact that the SDC's GUID was made on this machine. Machines made from one image share it otherwise, and two clients with one GUID knock
// each other out (error 548). One that serves another system stays: that one's mappings hang on it. The witness is a file that says for which machine-id the GUID was made; it begins before the SDC's package is installed, and in an image
// it is copied with the GUID.
type sdcGUIDOwn struct{ *orders }

func ownSDCGUID(o *orders) step.Step { return sdcGUIDOwn{o} }

func (sdcGUIDOwn) Name() string { return "own-sdc-guid" }

const guidWitness = stateDir + "/sdc-guid.json"

type witness struct {
	MachineID string `json:"machineId"`
	Instance  string `json:"instance,omitempty"` // EC2's, where the node is known by it: images often take the machine-id with them
}

// ours: the GUID was made on this machine.
func (o *orders) ours(w witness) bool {
	return w.MachineID == o.sys.Facts.MachineID && (w.Instance == "" || !aws.IsInstanceID(o.Spec.Node) || w.Instance == o.Spec.Node)
}

func (o *orders) witness() witness {
	w := witness{MachineID: o.sys.Facts.MachineID}
	if aws.IsInstanceID(o.Spec.Node) {
		w.Instance = o.Spec.Node
	}
	return w
}

func (s sdcGUIDOwn) Check(context.Context) (step.Finding, error) {
	data, err := s.sys.Files.Read(guidWitness)
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return step.Finding{}, err
	}
	var made witness
	known := err == nil && json.Unmarshal(data, &made) == nil && made.MachineID != ""
	text, file, err := s.text()
	switch {
	case err != nil:
		return step.Finding{}, err
	case known && s.ours(made) && (file == "" || text.GUID != ""):
		return step.OK("the SDC's GUID is this machine's own"), nil
	case file == "":
		return step.Need("NoWitness", "no SDC is here: its GUID will be this machine's own"), nil
	case known:
		return step.Need("ClonedGUID", "the SDC's GUID was made on machine %s %s: a copy of it would knock that one's client out", made.MachineID, made.Instance), nil
	case len(text.Addresses()) == 0:
		return step.Need("UnknownGUID", "the SDC was here before the agent and has no system: its GUID may be that of an image, so that it gets one of its own"), nil
	case len(s.managers()) == 0 || shares(text.Addresses(), s.managers()):
		return step.Need("NoWitness", "the SDC was here before the agent and has a system: its GUID is kept"), nil
	}
	// Another system may have mapped volumes to this GUID: they would be lost with it.
	return step.Block("ForeignGUID", "the SDC was here before the agent and serves another system (%s), which knows it by its GUID. If it is this machine's own, write {\"machineId\":\"%s\"} to %s: "+
		"it is kept, and this cluster's managers are added. If it came with an image, take the mdm lines of that system from %s: it gets a new one", strings.Join(text.Addresses(), ","), s.sys.Facts.MachineID, guidWitness, file), nil
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
	data, err := json.Marshal(s.witness())
	if err != nil {
		return fmt.Errorf("writing %s: %w", guidWitness, err)
	}
	if err := s.sys.Files.MkdirAll(stateDir, 0o700); err != nil {
		return err
	}
	return s.sys.Files.Write(guidWitness, data, 0o600)
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
