package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// mdmInstalled is the fact that the MDM is installed in the wanted role. The role is a line of its configuration that the package's script wrote; a
// recovery without the environment wrote a tie-breaker's. It may be changed only while the MDM is in no cluster.
type mdmInstalled struct {
	installPackage
	units   Units
	cli     Cluster
	manager string // "1" or "0"
}

func installMDM(o *orders) step.Step {
	return mdmInstalled{newInstallPackage(o, scaleio.MDM), o.sys.Units, o.opts.CLI, o.isManager()}
}

// isManager as the MDM's package and its configuration write it.
func (o *orders) isManager() string {
	if o.Spec.Role == api.RoleManager {
		return "1"
	}
	return "0"
}

func (s mdmInstalled) Check(ctx context.Context) (step.Finding, error) {
	finding, err := s.installPackage.Check(ctx)
	if err != nil || finding.Verdict != step.Satisfied {
		return finding, err
	}
	conf, err := s.files.Read(scaleio.PathMDMConf)
	if err != nil {
		if errors.Is(err, platform.ErrNotFound) {
			return step.Block("NoConfiguration", "the MDM is installed and has no %s: purge package %s to have it installed again",
				scaleio.PathMDMConf, s.pkg), nil
		}
		return step.Finding{}, err
	}
	if role := properties(conf).get(scaleio.KeyMDMIsManager); role != s.manager {
		return s.otherRole(ctx, role)
	}
	return finding, nil
}

func (s mdmInstalled) otherRole(ctx context.Context, role string) (step.Finding, error) {
	_, err := s.cli.QueryCluster(ctx, "")
	if kind := scaleio.KindOf(err); kind == scaleio.KindNoCluster || kind == scaleio.KindUnreachable {
		return step.Need("OtherRole", "%s=%s, wanted %s", scaleio.KeyMDMIsManager, role, s.manager), nil
	} else if err != nil {
		return step.Finding{}, err
	}
	return step.Block("OtherRole", "the MDM is in a cluster as %s=%s, wanted %s: it can't be changed there; take it out of the cluster first",
		scaleio.KeyMDMIsManager, role, s.manager), nil
}

func (s mdmInstalled) Apply(ctx context.Context) error {
	if done, err := s.satisfied(ctx); err != nil || !done {
		if err != nil {
			return err
		}
		return s.installPackage.Apply(ctx)
	}
	conf, err := s.files.Read(scaleio.PathMDMConf)
	if err != nil {
		return err
	}
	mode, _, err := s.files.Stat(scaleio.PathMDMConf)
	if err != nil {
		return err
	}
	// Stopped first: a daemon that was cut off from its restart would run in the old role under the new file.
	ran, err := stopActive(ctx, s.units, scaleio.UnitMDM)
	if err != nil {
		return err
	}
	if err := s.files.Write(scaleio.PathMDMConf, properties(conf).set(scaleio.KeyMDMIsManager, s.manager), mode.Perm()); err != nil {
		return err
	}
	if !ran {
		return nil // run-mdm starts it
	}
	return s.units.Start(ctx, scaleio.UnitMDM)
}

// properties are the lines of a key=value file; what isn't asked for stays as it is.
type properties []byte

func (p properties) get(key string) string {
	value := ""
	for _, line := range strings.Split(string(p), "\n") {
		if k, v, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == key {
			value = strings.TrimSpace(v) // the last one counts
		}
	}
	return value
}

// set replaces the first line with the key, drops any other and adds one where there is none.
func (p properties) set(key, value string) properties {
	var out []string
	done := false
	for line := range strings.Lines(string(p)) {
		line = strings.TrimSuffix(line, "\n")
		if k, _, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == key {
			if done {
				continue
			}
			line, done = fmt.Sprintf("%s=%s", key, value), true
		}
		out = append(out, line)
	}
	if !done {
		out = append(out, fmt.Sprintf("%s=%s", key, value))
	}
	return properties(strings.Join(out, "\n") + "\n")
}
