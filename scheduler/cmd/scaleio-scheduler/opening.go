package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/config"
	"scaleio-framework/scheduler/server"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
)

// state is the store that was configured, with what it needs to be kept.
type state struct {
	store.Store
	tenant  store.Tenant // nil = the store can't be lost while it is open
	wrapped bool         // its secrets are encrypted
}

// openState opens the store. While it is another scheduler's, or ZooKeeper can't be reached, this one waits, and its port says so.
func openState(ctx context.Context, c config.Config, people *trust.People, log *slog.Logger) (state, error) {
	take := func() (*store.ZooKeeper, error) { return standBy(ctx, c, people, log) }
	s, err := opened(ctx, c, take)
	if err != nil || !s.wrapped {
		return s, err
	}
	plain, err := plainCopies(c)
	if err != nil {
		return state{}, errors.Join(err, s.Close())
	}
	if len(plain) == 0 {
		return s, nil
	}
	if c.State == "" { // nothing was plain before there was a copy, and it goes last
		err := s.Close()
		if err == nil {
			err = store.RewriteBolt(filepath.Join(c.StateDir, stateFile))
		}
		if err == nil {
			s, err = opened(ctx, c, take)
		}
		if err != nil {
			return state{}, err
		}
	}
	for _, file := range plain {
		if err := os.Remove(file); err != nil {
			return state{}, errors.Join(fmt.Errorf("removing a copy of the state that isn't encrypted: %w", err), s.Close())
		}
		log.Warn("removed a copy of the state that isn't encrypted: a state key is configured; take backups (`backup`)", "file", file)
	}
	return s, nil
}

// plainCopies of the state that a scheduler without a state key left.
func plainCopies(c config.Config) (all []string, err error) {
	for _, pattern := range []string{copyFile(c) + ".*.part", copyFile(c)} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("looking for copies of the state: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// stoppedState is for commands that need a scheduler which doesn't run: they wait as long as the session of one that died may last, and no longer.
func stoppedState(ctx context.Context, c config.Config) (store.Store, error) {
	s, err := opened(ctx, c, func() (*store.ZooKeeper, error) {
		auth, err := closed(c.ZKAuthFile, c.ZKAuth)
		if err != nil {
			return nil, err
		}
		why := "ZooKeeper doesn't answer"
		waiting, cancel := context.WithTimeout(ctx, c.ZKSession+5*time.Second)
		defer cancel()
		z, err := store.OpenZooKeeper(waiting, store.ZooKeeperOptions{URL: c.State, Auth: auth, Session: c.ZKSession, Waiting: func(reason string) { why = reason }, Log: slog.New(slog.DiscardHandler)})
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("%w (%s)", store.ErrLocked, why)
		}
		return z, err
	})
	return s.Store, err
}

func opened(ctx context.Context, c config.Config, take func() (*store.ZooKeeper, error)) (state, error) {
	key, err := closed(c.StateKeyFile, c.StateKey)
	if err != nil {
		return state{}, err
	}
	if !key.Empty() {
		if _, err := store.ParseStateKey(key); err != nil {
			return state{}, &usageError{err}
		}
	}
	var s state
	if c.State == "" {
		s.Store, err = store.OpenBolt(filepath.Join(c.StateDir, stateFile))
	} else {
		var z *store.ZooKeeper
		z, err = take()
		s.Store, s.tenant = z, z
	}
	if err != nil {
		return state{}, err
	}
	wrapped, err := store.Wrap(ctx, s.Store, key, scheduler.SecretRecords()...)
	if err != nil {
		return state{}, errors.Join(err, s.Close())
	}
	s.Store, s.wrapped = wrapped, !key.Empty()
	return s, nil
}

// standBy waits for the state in ZooKeeper, with the port open.
func standBy(ctx context.Context, c config.Config, people *trust.People, log *slog.Logger) (*store.ZooKeeper, error) {
	auth, err := closed(c.ZKAuthFile, c.ZKAuth)
	if err != nil {
		return nil, err
	}
	if user, password, ok := strings.Cut(auth.Reveal(), ":"); !auth.Empty() && (!ok || user == "" || password == "") {
		return nil, &usageError{errors.New("zk-auth-file has to hold user:password")}
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	var why atomic.Value
	why.Store("opening the state in ZooKeeper")
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- server.Standby(serving, l, people, func() string { return why.Load().(string) }, log)
	}()
	z, err := store.OpenZooKeeper(ctx, store.ZooKeeperOptions{
		URL: c.State, Auth: auth, Session: c.ZKSession, Waiting: func(reason string) { why.Store(reason) }, Log: log,
	})
	stop()
	if served := <-ended; err == nil && served != nil {
		return nil, errors.Join(served, z.Close())
	}
	return z, err
}

// closed reads a secret from a file that nobody else may read; fallback is what the environment brought.
func closed(file string, fallback api.Secret) (api.Secret, error) {
	if file != "" {
		info, err := os.Stat(file)
		if err != nil {
			return api.Secret{}, &usageError{fmt.Errorf("reading a secret: %w", err)}
		}
		if info.Mode().Perm()&fs.FileMode(0o077) != 0 {
			return api.Secret{}, &usageError{fmt.Errorf("reading a secret: others may read %s (mode %04o): chmod 600 it", file, info.Mode().Perm())}
		}
	}
	return secret(file, fallback)
}
