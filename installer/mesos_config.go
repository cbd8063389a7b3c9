package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"scaleio-framework/platform"
)

// Units of a Mesos agent, and where the packages' wrapper reads flags from: one file per flag, its name is the flag's. DC/OS keeps its own by other means.
var (
	mesosUnits     = []string{"mesos-agent.service", "mesos-slave.service", "dcos-mesos-slave.service"}
	mesosFolders   = map[string][]string{"mesos-agent.service": {"/etc/mesos-agent", "/etc/mesos-slave"}, "mesos-slave.service": {"/etc/mesos-slave", "/etc/mesos-agent"}}
	unitDCOSMesos  = "dcos-mesos-slave.service"
	dcosMesosFlags = "MESOS_ISOLATION in /opt/mesosphere/etc/mesos-slave-common or /var/lib/dcos/mesos-slave-common"
)

// Flags that the built-in docker/volume isolator needs.
const (
	flagIsolation  = "isolation"
	flagCheckpoint = "docker_volume_checkpoint_dir"

	isolatorLinux  = "filesystem/linux"
	isolatorVolume = "docker/volume"
	isolatorPosix  = "filesystem/posix"
	isolatorShared = "filesystem/shared"
	isolatorDVDI   = "com_emccode_mesos_DockerVolumeDriverIsolator"

	// checkpointDir outlives a reboot, unlike the default under /var/run: what was mounted for a task is unmounted after one too.
	checkpointDir = "/var/lib/mesos/isolators/docker/volume"
)

// A mesosAgent is the unit on this node, if any, and the folder of its flags.
type mesosAgent struct {
	unit   string // "" = none here
	folder string // "" = none is there
	files  Files
}

func findMesosAgent(ctx context.Context, sys System) (mesosAgent, error) {
	m := mesosAgent{files: sys.Files}
	for _, unit := range mesosUnits {
		state, err := sys.Units.State(ctx, unit)
		if err != nil {
			return m, err
		}
		if state.Load == "loaded" && state.Enabled != "masked" {
			m.unit = unit
			break
		}
	}
	for _, folder := range mesosFolders[m.unit] {
		if exists(sys.Files, folder) {
			m.folder = folder
			break
		}
	}
	return m, nil
}

// flag as the next start of the Mesos agent reads it; false if nobody set it.
func (m mesosAgent) flag(name string) (value string, set bool, err error) {
	if m.folder == "" {
		return "", false, nil
	}
	data, err := m.files.Read(path.Join(m.folder, name))
	if errors.Is(err, platform.ErrNotFound) {
		return "", false, nil
	}
	return strings.TrimSpace(string(data)), err == nil, err
}

// change is what the two flags are and should be.
type change struct {
	flag, from, to string
	set            bool // the file is there
}

// changes that the isolator needs, none if all is well; a reason where a person has to decide. What no file says, a default or the environment does: then
// the running agent's flags are what must not be lost.
func (m mesosAgent) changes(running func() (map[string]string, error)) (changes []change, reason string, err error) {
	have, set, err := m.flag(flagIsolation)
	if err != nil {
		return nil, "", err
	}
	from := have
	if !set {
		flags, err := running()
		if err != nil {
			return nil, "", err
		}
		from = flags[flagIsolation]
	}
	merged, reason := mergeIsolation(from)
	if reason != "" {
		return nil, reason, nil
	}
	if !set || merged != have {
		changes = append(changes, change{flagIsolation, have, merged, set})
	}
	have, set, err = m.flag(flagCheckpoint)
	if err != nil {
		return nil, "", err
	}
	if !set || volatile(have) {
		changes = append(changes, change{flagCheckpoint, have, checkpointDir, set})
	}
	return changes, "", nil
}

// mergeIsolation adds what is missing and keeps everything that is there, in its order. filesystem/posix is the absence of filesystem/linux: Mesos refuses
// both together. What would break another's mounts isn't touched.
func mergeIsolation(have string) (merged, reason string) {
	var entries []string
	for _, e := range strings.Split(have, ",") {
		switch e = strings.TrimSpace(e); e {
		case "":
			continue
		case isolatorDVDI:
			return "", fmt.Sprintf("the agent uses %s, which mounts the same volumes as %s: take it out of isolation and modules", isolatorDVDI, isolatorVolume)
		case isolatorShared:
			return "", fmt.Sprintf("the agent uses %s, which excludes %s: replace it", isolatorShared, isolatorLinux)
		case isolatorPosix:
			e = isolatorLinux
		}
		if !slices.Contains(entries, e) {
			entries = append(entries, e)
		}
	}
	for _, e := range []string{isolatorLinux, isolatorVolume} {
		if !slices.Contains(entries, e) {
			entries = append(entries, e)
		}
	}
	return strings.Join(entries, ","), ""
}

// isolates tells whether a file's isolation has what the volumes need.
func isolates(isolation string) bool {
	var entries []string
	for _, e := range strings.Split(isolation, ",") {
		entries = append(entries, strings.TrimSpace(e))
	}
	return slices.Contains(entries, isolatorLinux) && slices.Contains(entries, isolatorVolume)
}

func volatile(dir string) bool {
	for _, v := range []string{"/run/", "/var/run/", "/tmp/", "/dev/shm/"} {
		if strings.HasPrefix(path.Clean(dir)+"/", v) {
			return true
		}
	}
	return dir == ""
}

// satisfies tells whether a running agent's flags have what the files ask for: every isolator, and the same folder.
func satisfies(running map[string]string, isolation, checkpoint string) bool {
	have := strings.Split(running[flagIsolation], ",")
	for _, e := range strings.Split(isolation, ",") {
		if !slices.Contains(have, strings.TrimSpace(e)) {
			return false
		}
	}
	return running[flagCheckpoint] == checkpoint
}

// A keptFile is a flag's file as it was before our first change; it is put back if the Mesos agent doesn't come back with it.
type keptFile struct {
	Path string
	Data []byte
	Mode fs.FileMode
	Gone bool // there was none
}

const keptMesosConfig = stateDir + "/mesos-agent-before.json"

// keep the files as they are now, unless an older state is kept already: that is the last one known to work.
func (m mesosAgent) keep(flags ...string) error {
	first := !exists(m.files, firstMesosConfig)
	if !first && exists(m.files, keptMesosConfig) {
		return nil
	}
	var kept []keptFile
	for _, flag := range flags {
		k := keptFile{Path: path.Join(m.folder, flag)}
		data, err := m.files.Read(k.Path)
		switch {
		case errors.Is(err, platform.ErrNotFound):
			k.Gone = true
		case err != nil:
			return err
		default:
			mode, _, err := m.files.Stat(k.Path)
			if err != nil {
				return err
			}
			k.Data, k.Mode = data, mode.Perm()
		}
		kept = append(kept, k)
	}
	data, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("keeping the Mesos agent's configuration: %w", err)
	}
	if err := m.files.MkdirAll(stateDir, 0o700); err != nil {
		return err
	}
	if first {
		if err := m.files.Write(firstMesosConfig, data, 0o600); err != nil {
			return err
		}
	}
	if exists(m.files, keptMesosConfig) {
		return nil
	}
	return m.files.Write(keptMesosConfig, data, 0o600)
}

// restore what was kept, and tell whether there was something.
func (m mesosAgent) restore() (bool, error) {
	data, err := m.files.Read(keptMesosConfig)
	if errors.Is(err, platform.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	var kept []keptFile
	if err := json.Unmarshal(data, &kept); err != nil {
		return false, fmt.Errorf("reading %s: %w", keptMesosConfig, err)
	}
	for _, k := range kept {
		if k.Gone {
			err = m.files.Remove(k.Path)
		} else {
			err = m.files.Write(k.Path, k.Data, k.Mode)
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}
