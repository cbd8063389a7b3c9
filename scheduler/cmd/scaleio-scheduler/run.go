package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/config"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/offers"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
)

type runFlags struct {
	file     string
	validate bool
	adopt    bool
	dieAt    string
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the scheduler",
		Long: `Runs the scheduler in the foreground until SIGTERM. Every key of the configuration file is also a flag and an environment variable
(` + config.EnvPrefix + `...); a flag wins over the environment, that over the file. All faults are reported at once.

With an empty state directory it starts only if Mesos knows no framework of its name and principal.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(f.file, cmd.Flags(), os.Environ())
			if err != nil {
				return &usageError{fmt.Errorf("the configuration has faults:\n%w", err)}
			}
			if f.validate {
				if _, err := options(c, slog.New(slog.DiscardHandler)); err != nil {
					return &usageError{err}
				}
				fmt.Fprintln(cmd.OutOrStdout(), "the configuration is good")
				return nil
			}
			return run(cmd.Context(), c, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.file, "config", "", "configuration file (YAML)")
	flags.BoolVar(&f.validate, "validate", false, "check the configuration and what it names, and stop")
	flags.BoolVar(&f.adopt, "adopt", false, "take over although the store is empty or the framework was removed; the epoch rises")
	flags.StringVar(&f.dieAt, "die-at", "", "file of write points; at each the process kills itself once")
	hide(flags, "die-at")
	config.RegisterFlags(flags)
	return cmd
}

func hide(flags *pflag.FlagSet, name string) { flags.Lookup(name).Hidden = true }

func run(ctx context.Context, c config.Config, f runFlags) (err error) {
	log := logger(c)
	o, err := options(c, log)
	if err != nil {
		return &usageError{err}
	}
	if o.People, err = people(c); err != nil {
		return err
	}
	forget, err := findMasters(ctx, c, &o, log)
	if err != nil {
		return err
	}
	defer forget()
	state, err := openState(ctx, c, o.People, log)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return damaged(c, err)
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	o.Store, o.Adopt, o.Tenant = state.Store, f.adopt, state.tenant
	if state.wrapped { // a copy would hold in clear what the state key hides
		o.CopyFile = ""
	}
	if f.dieAt != "" {
		o.Store = store.Announced{Store: o.Store, Reached: dieAt(f.dieAt)}
	}
	if o.Listener, err = net.Listen("tcp", c.Listen); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	return damaged(c, scheduler.Run(ctx, o))
}

// options turn the configuration into a scheduler's parts; nothing is written or started.
func options(c config.Config, log *slog.Logger) (scheduler.Options, error) {
	manifest, manifestErr := scheduler.ReadManifest(c.Manifest)
	admin, adminErr := secret(c.AdminPasswordFile, c.AdminPassword)
	mesosSecret, secretErr := secret(c.MesosSecretFile, c.MesosSecret)
	growth, growthErr := growthSettings(c.Growth)
	if err := errors.Join(manifestErr, adminErr, secretErr, growthErr); err != nil {
		return scheduler.Options{}, err
	}
	return scheduler.Options{
		Settings: decide.Settings{
			ClusterName: c.ClusterName, DomainAttribute: c.FaultDomainAttribute, Settle: c.Settle, Licence: c.AcceptLicence,
			ProtectionDomain: c.ProtectionDomain, StoragePool: c.StoragePool, MediaType: c.MediaType, ZeroPadding: c.ZeroPadding,
			VolumeUser: c.VolumeUser, Packages: manifest.Packages, Modules: manifest.Modules, ModuleMirror: c.ModuleMirror,
			AllowUnsupported: c.AllowUnsupported, BuildModules: c.BuildModules, Reboots: c.Reboots, RebootWindow: c.RebootWindow, RebootWithin: c.RebootWithin,
			Disks: api.DiskPolicy{Use: c.DisksUse, Match: c.DisksMatch, AllowTypes: c.DisksAllowTypes, MinSizeBytes: c.DisksMinSize}, Growth: growth,
			Agent: &api.AgentBinary{URL: c.AgentURL, SHA256: c.AgentSHA256, ReadyWithinMS: c.AgentReadyWithin.Milliseconds()}, RolloutCalm: c.RolloutCalm,
		},
		Mesos: offers.New(offers.Config{Masters: listed(c.MesosMasters), Principal: c.MesosPrincipal, Secret: mesosSecret.Reveal(), Log: log}),
		Framework: scheduler.Framework{
			Name: c.FrameworkName, User: "root", Principal: c.MesosPrincipal, Roles: []string{c.MesosRole},
			FailoverTimeout: c.FailoverTimeout, WebUIURL: c.PublicURLs[0], Hostname: hostname(),
		},
		Servers: c.PublicURLs, AdminPassword: admin, AgentsMatch: c.AgentsMatch,
		ReserveMDM: scheduler.Resources(c.ReserveMDM), ReserveData: scheduler.Resources(c.ReserveData),
		Artifacts: manifest.Artifacts, CAFile: filepath.Join(c.StateDir, "ca.pem"), CopyFile: copyFile(c), Log: log,
	}, nil
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// secret from its file, else as the environment brought it.
func secret(file string, fallback api.Secret) (api.Secret, error) {
	if file == "" {
		return fallback, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return api.Secret{}, fmt.Errorf("reading a secret: %w", err)
	}
	text := strings.TrimRight(string(raw), "\r\n")
	if text == "" {
		return api.Secret{}, fmt.Errorf("reading a secret: %s is empty", file)
	}
	return api.NewSecret(text), nil
}

// people's tokens come from files or the environment; where there are none they are made once, in the state directory.
func people(c config.Config) (*trust.People, error) {
	read, err := token(c.ReadTokenFile, c.ReadToken, filepath.Join(c.StateDir, "read.token"))
	if err != nil {
		return nil, err
	}
	operator, err := token(c.OperatorTokenFile, c.OperatorToken, filepath.Join(c.StateDir, "operator.token"))
	if err != nil {
		return nil, err
	}
	if trust.Same(read.Reveal(), operator.Reveal()) {
		return nil, &usageError{errors.New("the read token is the operator token: whoever may look could act")}
	}
	return trust.NewPeople(read.Reveal(), operator.Reveal()), nil
}

// minToken: wrong tokens aren't slowed down, or anybody could keep an operator from his brake. So none may be short enough to be guessed.
const minToken = 16

func token(named string, given api.Secret, made string) (api.Secret, error) {
	if named != "" || !given.Empty() {
		s, err := secret(named, given)
		if err == nil && len(s.Reveal()) < minToken {
			err = &usageError{fmt.Errorf("reading a token: %s holds fewer than %d characters, which could be guessed", cmp.Or(named, "the environment"), minToken)}
		}
		return s, err
	}
	if err := os.MkdirAll(filepath.Dir(made), 0o700); err != nil {
		return api.Secret{}, fmt.Errorf("making a token: %w", err)
	}
	file, err := os.OpenFile(made, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return secret(made, api.Secret{})
	}
	if err != nil {
		return api.Secret{}, fmt.Errorf("making a token: %w", err)
	}
	_, err = file.WriteString(rand.Text() + "\n")
	if err = errors.Join(err, file.Close()); err != nil {
		return api.Secret{}, fmt.Errorf("making a token: %w", err)
	}
	return secret(made, api.Secret{})
}

func logger(c config.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // was checked with the configuration
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}
