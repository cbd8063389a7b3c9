package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"scaleio-framework/agent"
	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// ourUnits are those whose journal and state tell what happened on a node.
var ourUnits = []string{agent.Unit, scaleio.UnitMDM, scaleio.UnitSDS, scaleio.UnitSDC, scaleio.UnitGateway, "rexray.service"}

// secretFiles hold what must not be in a diagnosis, should a log have it.
var secretFiles = []string{agent.ConfigFile, "/etc/rexray/config.yml"}

var secretLine = regexp.MustCompile(`(?im)^\s*"?(?:token|password|secret|secretKey)"?\s*[:=]\s*"?([^"\s]+)"?\s*$`)

func diagnoseTo(ctx context.Context, to string) error {
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing the diagnosis: %w", err)
	}
	d := diagnose(ctx, platform.NewFiles("/"), platform.Runner{})
	if err := errors.Join(d.Write(file, "scaleio-agent", time.Now()), file.Close()); err != nil {
		return err
	}
	fmt.Println("written:", to)
	return nil
}

// diagnose collects; what can't be had is said in its place.
func diagnose(ctx context.Context, files installer.Files, commands installer.Commands) api.Diagnosis {
	var d api.Diagnosis
	secrets := secretsIn(files)
	add := func(name, text string, err error) {
		if err != nil {
			text += fmt.Sprintf("\n(%v)\n", err)
		}
		d.Add(name, text, secrets...)
	}
	local, err := agent.AskStatus(ctx, agent.Socket)
	add("status.json", indented(local), err)
	seen, err := detect(ctx, nil)
	add("detect.json", indented(seen), err)
	for name, cmd := range map[string]platform.Cmd{
		"units.txt":   {Path: "systemctl", Args: append([]string{"show", "--no-pager", "--property=Id,LoadState,ActiveState,SubState,Result,NRestarts,ExecMainStatus,UnitFileState,StateChangeTimestamp"}, ourUnits...)},
		"journal.txt": {Path: "journalctl", Args: journalArgs()},
		"disks.txt":   {Path: "lsblk", Args: []string{"--bytes", "--output", "NAME,TYPE,SIZE,RO,MOUNTPOINT,FSTYPE,MODEL"}},
		"clock.txt":   {Path: "timedatectl", Args: []string{"show"}},
	} {
		cmd.Timeout = 20 * time.Second
		out, err := commands.Run(ctx, cmd)
		add(name, string(out.Stdout), err)
	}
	add("versions.txt", versions(), nil)
	return d
}

func journalArgs() []string {
	args := []string{"--no-pager", "--since=-24h", "--lines=5000", "--output=short-iso"}
	for _, u := range ourUnits {
		args = append(args, "--unit="+u)
	}
	return args
}

func secretsIn(files installer.Files) (all []string) {
	for _, path := range secretFiles {
		raw, err := files.Read(path)
		if err != nil {
			continue
		}
		for _, m := range secretLine.FindAllStringSubmatch(string(raw), -1) {
			all = append(all, m[1])
		}
	}
	return all
}

func indented(v any) string {
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func versions() string {
	var b strings.Builder
	fmt.Fprintf(&b, "scaleio-agent %s, %s\n", version, runtime.Version())
	if info, ok := debug.ReadBuildInfo(); ok {
		b.WriteString(info.String())
	}
	return b.String()
}
