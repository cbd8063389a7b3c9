package rexray

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

const (
	configPath   = "/etc/rexray/config.yml"
	volumesRoot  = "/var/lib/rexray/volumes"
	pidPath      = "/var/run/rexray/rexray.pid"
	serviceUnit  = "rexray.service"
	startWithin  = time.Minute
	listWithin   = 30 * time.Second
	semVer       = "0.11.4"
	versionLines = `REX-Ray
-------
Binary: %s
Flavor: client+agent+controller (stand-in for tests and demonstrations)
SemVer: ` + semVer + `
OsArch: Linux-x86_64
`
)

// Main is the rexray program; args are those after its name.
func Main(args []string) int {
	root := command(os.Stdout)
	root.SetArgs(args)
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

func command(stdout io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use: "rexray", Short: "Stand-in for REX-Ray's ScaleIO driver, for tests and demonstrations",
		SilenceUsage: true, SilenceErrors: true,
	}
	config := root.PersistentFlags().StringP("config", "c", configPath, "configuration file")
	start := &cobra.Command{Use: "start", Short: "Serve the Docker volume plugins in the foreground", Args: cobra.NoArgs}
	start.Flags().BoolP("foreground", "f", true, "accepted; the service always runs in the foreground")
	start.RunE = func(*cobra.Command, []string) error { return serve(*config) }
	version := &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs}
	version.RunE = func(*cobra.Command, []string) error {
		binary, err := os.Executable()
		if err != nil {
			return fmt.Errorf("finding this program: %w", err)
		}
		fmt.Fprintf(stdout, versionLines, binary)
		return nil
	}
	service := &cobra.Command{Use: "service", Short: "Control the service"}
	for _, verb := range []string{"start", "stop", "restart"} {
		service.AddCommand(&cobra.Command{Use: verb, Short: verb + " the service", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			_, err := output(c.Context(), "systemctl", verb, serviceUnit)
			return err
		}})
	}
	service.AddCommand(&cobra.Command{Use: "status", Short: "Tell whether the service runs", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return status(stdout)
	}})
	volumes := &cobra.Command{Use: "volume", Short: "Look at volumes"}
	volumes.AddCommand(&cobra.Command{Use: "ls", Short: "List the volumes of the pool", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return listVolumes(*config, stdout)
	}})
	root.AddCommand(start, version, service, volumes)
	root.SetContext(context.Background())
	return root
}

func serve(config string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("stand-in REX-Ray starting", "config", config)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	c, err := ReadConfig(config, os.Getenv)
	if err != nil {
		return err
	}
	for _, key := range c.Unknown {
		log.Warn("key is unknown to the driver and ignored", "key", key)
	}
	starting, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	d, err := newDriver(starting, c, node{c.DrvCfg, linksOfSDC}, volumesRoot, log)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(pidPath), 0o755); err != nil {
		return fmt.Errorf("making the pid directory: %w", err)
	}
	if err := os.WriteFile(pidPath, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("writing the pid: %w", err)
	}
	return errors.Join(d.serve(ctx, c.Modules), os.Remove(pidPath))
}

// status is decided by the process, not by the file that it left.
func status(stdout io.Writer) error {
	data, err := os.ReadFile(pidPath)
	pid, parse := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || parse != nil || syscall.Kill(pid, 0) != nil {
		fmt.Fprintln(stdout, "REX-Ray is stopped")
		return nil
	}
	fmt.Fprintf(stdout, "REX-Ray is running at PID %d\n", pid)
	return nil
}

func listVolumes(config string, stdout io.Writer) error {
	c, err := ReadConfig(config, os.Getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), listWithin)
	defer cancel()
	d, err := newDriver(ctx, c, node{c.DrvCfg, linksOfSDC}, volumesRoot, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	all, err := d.list(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tName\tStatus\tSize")
	for _, v := range all {
		state := "available"
		switch {
		case v.mappedTo(d.sdcID):
			state = "attached"
		case len(v.Mapped) > 0:
			state = "unavailable"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\n", v.ID, v.Name, state, v.SizeKB/kbPerGB)
	}
	return table.Flush()
}
