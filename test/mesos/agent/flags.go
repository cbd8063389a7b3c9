package agent

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// known are the flags of mesos-agent that the dev agent acts upon, with their
// defaults; inert are those that it takes and shows but that change nothing.
var (
	known = map[string]string{
		"master": "", "ip": "127.0.0.1", "hostname": "", "port": "5051",
		"attributes": "", "resources": "cpus:2;mem:1024;disk:10240;ports:[31000-32000]",
		"work_dir": "/var/lib/mesos", "runtime_dir": "/var/run/mesos",
		"isolation":                    "filesystem/linux",
		"docker_volume_checkpoint_dir": "/var/run/mesos/isolators/docker/volume",
		"credential":                   "",
	}
	inert = []string{
		"advertise_ip", "advertise_port", "cgroups_hierarchy", "cgroups_root", "containerizers", "default_role",
		"docker", "docker_registry", "docker_socket", "docker_volume_chown", "executor_registration_timeout",
		"executor_reregistration_timeout", "executor_shutdown_grace_period", "fetcher_cache_dir", "fetcher_cache_size",
		"gc_delay", "hostname_lookup", "image_providers", "image_provisioner_backend", "launcher", "launcher_dir",
		"log_dir", "logging_level", "modules", "modules_dir", "no-hostname_lookup", "no-switch_user",
		"no-systemd_enable_support", "quiet", "reconfiguration_policy", "recover", "recovery_timeout", "strict",
		"switch_user", "systemd_enable_support", "systemd_runtime_directory",
	}
)

// Flags are the agent's settings by name, defaults included.
type Flags map[string]string

// FlagDirs are where the packages look for flags as files: the name is the
// flag, the content its value. A name with a leading "?" is a switch.
var FlagDirs = []string{"/etc/mesos-agent", "/etc/mesos-slave"}

// ReadFlags merges, from weak to strong: defaults, the files of dirs, the
// command line. zkFile is where the packages keep the master's address.
func ReadFlags(dirs []string, zkFile string, commandLine map[string]string) (Flags, error) {
	flags := maps.Clone(Flags(known))
	if master, err := os.ReadFile(zkFile); err == nil {
		flags["master"] = strings.TrimSpace(string(master))
	}
	for _, dir := range slices.Backward(dirs) {
		if err := flags.readDir(dir); err != nil {
			return nil, err
		}
	}
	maps.Copy(flags, commandLine)
	if flags["hostname"] == "" {
		flags["hostname"] = flags["ip"]
	}
	for name := range flags {
		if _, ok := known[name]; !ok && !slices.Contains(inert, name) {
			return nil, fmt.Errorf("failed to load unknown flag '%s'", name)
		}
	}
	return flags, flags.validate()
}

func (f Flags) readDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading flags: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if name, isSwitch := strings.CutPrefix(e.Name(), "?"); isSwitch {
			f[name] = "true"
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("reading flags: %w", err)
		}
		f[e.Name()] = strings.TrimSpace(string(data))
	}
	return nil
}

func (f Flags) validate() error {
	if f["master"] == "" {
		return errors.New("missing required option --master")
	}
	if strings.HasPrefix(f["master"], "zk://") {
		return errors.New("--master=zk://...: the dev agent takes host:port only")
	}
	if f.isolates("docker/volume") && !f.isolates("filesystem/linux") {
		return errors.New("the docker/volume isolator needs the filesystem/linux isolator")
	}
	return nil
}

func (f Flags) isolates(name string) bool {
	return slices.Contains(strings.Split(f["isolation"], ","), name)
}

// masterAddress is host:port of the master.
func (f Flags) masterAddress() string {
	address := strings.TrimPrefix(f["master"], "master@")
	if !strings.Contains(address, ":") {
		address += ":5050"
	}
	return address
}
