package sdc

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scaleio-framework/test/scaleio/wire"
)

// sciniFlags are the daemon's command line.
type sciniFlags struct {
	config, build string
	run           string
	mdmPort       int
	paths         Paths
	ioTimeout     time.Duration
	query         bool
}

func parseScini(args []string) (sciniFlags, error) {
	var f sciniFlags
	flags := flag.NewFlagSet("scini", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "scini: stand-in for the ScaleIO SDC's kernel module, for tests and demonstrations; runs in the foreground")
		flags.PrintDefaults()
	}
	flags.StringVar(&f.config, "config", DefaultConfigPath, "drv_cfg.txt")
	flags.StringVar(&f.build, "build", "3.6.700", "version told to the MDM")
	flags.StringVar(&f.run, "run", "/run/scini", "directory of the lock and the hidden mount")
	flags.IntVar(&f.mdmPort, "mdm-port", wire.PortMDMManagement, "port of the MDMs")
	flags.StringVar(&f.paths.Dev, "dev", "/dev", "directory of the device nodes")
	flags.StringVar(&f.paths.LoopControl, "loop-control", "/dev/loop-control", "the kernel's loop control")
	flags.DurationVar(&f.paths.LinkDelay, "link-delay", 500*time.Millisecond, "how long after the device its by-id link appears")
	flags.DurationVar(&f.ioTimeout, "io-timeout", 0, "I/O that waits longer for copies or the MDM fails (0: never)")
	flags.BoolVar(&f.query, "in-use", false, "only ask the running driver: exit 1 while volumes are in use")
	err := flags.Parse(args)
	f.paths.Volumes = filepath.Join(f.run, "volumes")
	return f, err
}

// MainScini is the daemon that stands for the kernel module; args are those after the program's name.
func MainScini(args []string) int {
	f, err := parseScini(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case f.query:
		return queryInUse(f)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("stand-in ScaleIO SDC (scini) starting", "config", f.config)
	if err := runScini(f, log); err != nil {
		log.Error("scini failed", "err", err)
		return 1
	}
	return 0
}

func queryInUse(f sciniFlags) int {
	used, err := control(ControlPath(f.paths.Dev), controlRequest{Op: "in-use"})
	if err == nil && used != "" {
		fmt.Fprintln(os.Stderr, "ERROR: Module scini is in use:", used)
		return 1
	}
	return 0
}

// ControlPath is the driver's control node below a /dev.
func ControlPath(dev string) string { return filepath.Join(dev, "scini") }

func runScini(f sciniFlags, log *slog.Logger) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	unlock, err := lockRun(f.run, signals, log)
	if err != nil || unlock == nil {
		return err
	}
	defer unlock()
	c, err := readConfig(f.config)
	if err != nil {
		return err
	}
	if c.GUID == "" {
		return fmt.Errorf("reading %s: no ini_guid", f.config)
	}
	d, err := newDevices(f.paths, log)
	if err != nil {
		return err
	}
	dialer := net.Dialer{Timeout: time.Second}
	o := Options{
		Build: f.build, IOTimeout: f.ioTimeout, Log: log,
		DialMDM: func(ctx context.Context, ip string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", net.JoinHostPort(ip, fmt.Sprint(f.mdmPort)))
		},
		DialSDS: func(ctx context.Context, addr string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) },
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	v := newDriver(ctx, o, c, d)
	serving := make(chan error, 1)
	go func() { serving <- serveControl(ctx, ControlPath(f.paths.Dev), v.handle) }()
	err = waitForStop(signals, serving, d, log)
	cancel()
	v.running.Wait()
	return errors.Join(err, d.close())
}

// waitForStop refuses to stop while volumes are in use, as a kernel module can't be unloaded then; the daemon goes on serving and ends
// when the last user is gone.
func waitForStop(signals <-chan os.Signal, serving <-chan error, d blockDevices, log *slog.Logger) error {
	const again = 200 * time.Millisecond
	look := time.NewTimer(again)
	look.Stop()
	refused := ""
	for {
		select {
		case err := <-serving:
			return err
		case <-signals:
			refused = ""
		case <-look.C:
		}
		used := strings.Join(d.inUse(), " ")
		if used == "" {
			log.Info("scini stopping")
			return nil
		}
		if used != refused {
			log.Error("stop refused: module scini is in use", "volumes", used)
			refused = used
		}
		look.Reset(again)
	}
}

// lockRun makes sure that one driver serves a node. A second one (the unit started again after a refused stop) waits for the first to
// end; nil without an error means that it was told to stop while waiting.
func lockRun(dir string, signals <-chan os.Signal, log *slog.Logger) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making %s: %w", dir, err)
	}
	fd, err := unix.Open(filepath.Join(dir, "lock"), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock in %s: %w", dir, err)
	}
	unlock = func() { _ = unix.Close(fd) }
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
		return unlock, nil
	}
	log.Warn("the driver is loaded already; waiting for it to end")
	locked := make(chan error, 1)
	go func() { locked <- unix.Flock(fd, unix.LOCK_EX) }()
	select {
	case <-signals:
		return nil, nil
	case err := <-locked:
		return unlock, err
	}
}
