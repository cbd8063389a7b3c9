package installer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// volumeDriverConfigured is the fact that REX-Ray is set up for the pool and led to a gateway that answers. It stays with the present one while that answers.
type volumeDriverConfigured struct{ *orders }

func configureVolumeDriver(o *orders) step.Step { return volumeDriverConfigured{o} }

func (volumeDriverConfigured) Name() string { return "configure-volume-driver" }

// A file that should be there, whole.
type wantedFile struct {
	path string
	data []byte
	mode fs.FileMode
}

func (s volumeDriverConfigured) Check(ctx context.Context) (step.Finding, error) {
	files, gateway, why, err := s.wanted(ctx)
	if err != nil || why != nil {
		return orElse(why), err
	}
	lost := s.lost(gateway)
	for _, f := range files {
		ok, err := s.inPlace(f)
		if err != nil {
			return step.Finding{}, err
		}
		if ok {
			continue
		}
		if busy, err := s.mounting(); err != nil {
			return step.Finding{}, err
		} else if busy && !lost {
			return step.Wait("MountInProgress", "%s is to be written for gateway %s; a dvdcli is at work, which a restart would cut off", f.path, gateway), nil
		}
		return step.Need("OtherConfiguration", "%s isn't as it should be for gateway %s", f.path, gateway), nil
	}
	return step.OK("REX-Ray uses gateway %s", gateway), nil
}

// lost tells that the driver is led to a gateway that answers no more: one that does is kept. A mount that is under way there only waits for its end, and those that
// are tried again and again would keep the driver from ever being led elsewhere.
func (s volumeDriverConfigured) lost(chosen string) bool {
	have, err := s.sys.Files.Read(rexrayConfig)
	if err != nil {
		return false
	}
	present, _, err := parseREXRay(have)
	return err == nil && present != "" && present != chosen
}

func orElse(f *step.Finding) step.Finding {
	if f == nil {
		return step.Finding{}
	}
	return *f
}

// wanted files, or why they can't be told.
func (s volumeDriverConfigured) wanted(ctx context.Context) (files []wantedFile, gateway string, why *step.Finding, err error) {
	not := func(f step.Finding) ([]wantedFile, string, *step.Finding, error) { return nil, "", &f, nil }
	v := s.Spec.Volumes
	if v == nil || len(v.Gateways) == 0 {
		return not(step.Wait("WaitingForCluster", "the scheduler has yet to say which gateways and pool the volume driver uses"))
	}
	have, err := s.sys.Files.Read(rexrayConfig)
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return nil, "", nil, err
	}
	if err == nil && !bytes.HasPrefix(have, []byte(rexrayMark)) {
		return not(step.Block("ForeignConfiguration", "%s was written by somebody else and is left alone: move it away to have this node's volumes served", rexrayConfig))
	}
	present, password, err := parseREXRay(have)
	if err != nil {
		present, password = "", api.Secret{} // ours, and broken: written anew
	}
	if !s.Secrets.VolumeUser.Empty() {
		password = s.Secrets.VolumeUser
	}
	if password.Empty() {
		return not(step.Wait("WaitingForSecret", "the scheduler has yet to send the password of %s", v.User))
	}
	chosen, failed := s.choose(ctx, present)
	if chosen == "" {
		return not(step.Wait("NoGatewayAnswers", "no gateway answers, mounted volumes go on: %s", strings.Join(failed, "; ")))
	}
	config, err := renderREXRay(*v, chosen, password, drvCfg(s.sys.Files, s.sys.Commands).Path)
	if err != nil {
		return nil, "", nil, err
	}
	return []wantedFile{
		{rexrayRoots, pinned(v.Gateways), 0o644},
		{rexrayEnv, rexrayEnvironment(), 0o600},
		{rexrayConfig, config, 0o600},
	}, chosen, nil, nil
}

// choose the present gateway while it answers, else the first that does. The present one is asked twice: a switch restarts the driver.
func (s volumeDriverConfigured) choose(ctx context.Context, present string) (chosen string, failed []string) {
	order := slices.Clone(s.Spec.Volumes.Gateways)
	for i, g := range order {
		if g.Address == present {
			order = slices.Concat([]api.Gateway{g, g}, order[:i], order[i+1:])
			break
		}
	}
	for _, g := range order {
		var roots []byte
		if g.CertificatePEM != "" {
			roots = []byte(g.CertificatePEM)
		}
		_, err := s.opts.Ask(ctx, Question{URL: "https://" + g.Address + "/api/version", Roots: roots})
		if err == nil {
			s.gatewayInUse.Store(g.Address)
			return g.Address, nil
		}
		failed = append(failed, fmt.Sprintf("%s: %v", g.Address, err))
	}
	return "", failed
}

func (s volumeDriverConfigured) inPlace(f wantedFile) (bool, error) {
	data, err := s.sys.Files.Read(f.path)
	if errors.Is(err, platform.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	mode, _, err := s.sys.Files.Stat(f.path)
	return err == nil && mode.Perm() == f.mode && bytes.Equal(data, f.data), err
}

// mounting tells whether the isolator waits for a dvdcli just now.
func (s volumeDriverConfigured) mounting() (bool, error) {
	names, err := s.sys.Files.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return false, err
	}
	for _, name := range names {
		comm, err := s.sys.Files.Read(name)
		if err != nil {
			continue // it has ended
		}
		if strings.TrimSpace(string(comm)) == componentDVDCLI {
			return true, nil
		}
	}
	return false, nil
}

// Apply stops the driver before it writes: mounts stay, and one that was cut off from its restart would go on with the old gateway. run-volume-driver
// starts it, if this is cut off.
func (s volumeDriverConfigured) Apply(ctx context.Context) error {
	files, _, why, err := s.wanted(ctx)
	if err != nil {
		return err
	}
	if why != nil {
		return errors.New(why.Message)
	}
	ran, err := stopActive(ctx, s.sys.Units, unitREXRay)
	if err != nil {
		return err
	}
	if err := s.sys.Files.MkdirAll(rexrayDir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := s.sys.Files.Write(f.path, f.data, f.mode); err != nil {
			return err
		}
	}
	if !ran {
		return nil
	}
	return s.sys.Units.Start(ctx, unitREXRay)
}
