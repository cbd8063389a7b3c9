package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// readyWithin bounds the wait for Ready; on 2 idle cores a minute is usual.
const readyWithin = 5 * time.Minute

type upConfig struct {
	nodes  string // a number, or kinds by comma
	growth string // on | off
	within time.Duration
}

func newLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.String(a.Key, a.Value.Time().Format(time.TimeOnly))
			}
			if a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func up(ctx context.Context, config upConfig) error {
	start, log := time.Now(), newLog()
	kinds, err := nodes.ParseKinds(config.nodes)
	if err != nil {
		return fmt.Errorf("reading --nodes: %w", err)
	}
	if len(kinds) < 3 {
		return fmt.Errorf("--nodes is %s: three managers and tie-breakers need three nodes", config.nodes)
	}
	if config.growth != "on" && config.growth != "off" {
		return fmt.Errorf("--growth is %q: on or off", config.growth)
	}
	if _, err := cases.Open(name, log); errors.Is(err, fs.ErrNotExist) { // else the ports may be our own demo's
		if err := doorsFree(); err != nil {
			return err
		}
	}
	if err := prepare(ctx, kinds, log); err != nil {
		return err
	}
	if err := down(ctx, log); err != nil {
		return err
	}
	if err := doorsFree(); err != nil {
		return err
	}
	wanted := cases.Config{Name: name, Kinds: kinds, Build: buildDir, Log: log}
	if config.growth == "on" {
		wanted = cases.Growing(wanted, "packaging")
	}
	stand, err := cases.Up(ctx, wanted)
	var ready time.Time
	if err == nil {
		ready, err = show(ctx, stand, config, log)
	}
	if err != nil {
		return failed(stand, err)
	}
	return summary(ctx, stand, ready.Sub(start))
}

// show what happens to a cluster that was begun, and say when it was Ready.
func show(ctx context.Context, stand *cases.Stand, config upConfig, log *slog.Logger) (ready time.Time, err error) {
	if err := openDoors(stand); err != nil {
		return ready, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, config.within, fmt.Errorf("not within %v", config.within))
	defer cancel()
	log.Info("following the scheduler", "url", schedulerURL)
	progress := newProgress(os.Stdout)
	err = stand.WaitReady(limited, progress.show)
	progress.end()
	if err != nil {
		return ready, err
	}
	ready = time.Now()
	if err := stand.Keep(ctx, "."); err != nil || config.growth == "off" {
		return ready, err
	}
	return ready, grow(ctx, stand, progress)
}

func check(ctx context.Context, log *slog.Logger) error {
	stand, err := cases.Open(name, log)
	if err != nil {
		return fmt.Errorf("looking for the demo (make demo starts it): %w", err)
	}
	return stand.Keep(ctx, ".")
}

// failed gathers what is needed to find out why.
func failed(stand *cases.Stand, err error) error {
	if stand == nil {
		return err
	}
	dir := filepath.Join(os.TempDir(), "scaleio-demo-logs")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err2 := stand.CollectLogs(ctx, dir); err2 != nil {
		return errors.Join(err, err2)
	}
	fmt.Printf("\nThe nodes' journals and all logs are in %s. The cluster still runs, to be looked at; make demo-down ends it.\n", dir)
	return err
}

func down(ctx context.Context, log *slog.Logger) error {
	if err := setPath(); err != nil {
		return fmt.Errorf("setting the search path: %w", err)
	}
	stand, err := cases.Open(name, log)
	if errors.Is(err, fs.ErrNotExist) {
		return closeDoors()
	}
	if err != nil {
		return err
	}
	log.Info("taking the demo down")
	return errors.Join(stand.Close(ctx), closeDoors())
}
