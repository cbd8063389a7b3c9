package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
	"scaleio-framework/scheduler/config"
)

// target is where a running scheduler is and who asks it: from flags, the environment, or the client's file.
type target struct{ url, caFile, tokenFile string }

func (t *target) register(flags *pflag.FlagSet) {
	flags.StringVar(&t.url, "url", "", "URL of the scheduler (or "+config.EnvURL+")")
	flags.StringVar(&t.caFile, "ca-file", "", "the cluster's CA certificate: ca.pem of the state directory (or "+config.EnvCAFile+")")
	flags.StringVar(&t.tokenFile, "token-file", "", "file with the read or operator token (or "+config.EnvTokenFile+")")
}

// people makes the client.
func (t *target) people() (*client.People, error) {
	file, path, err := clientFile()
	if err != nil {
		return nil, &usageError{err}
	}
	url := cmp.Or(t.url, os.Getenv(config.EnvURL), file.URL)
	caFile := cmp.Or(t.caFile, os.Getenv(config.EnvCAFile), file.CAFile)
	tokenFile := cmp.Or(t.tokenFile, os.Getenv(config.EnvTokenFile), file.TokenFile)
	if url == "" || caFile == "" || tokenFile == "" {
		return nil, &usageError{fmt.Errorf("which scheduler to ask isn't known: give --url, --ca-file and --token-file, or write %s with url, caFile and tokenFile", path)}
	}
	ca, caErr := os.ReadFile(caFile)
	token, tokenErr := secret(tokenFile, api.Secret{})
	if err := errors.Join(caErr, tokenErr); err != nil {
		return nil, &usageError{err}
	}
	people, err := client.NewPeople(strings.TrimRight(url, "/"), ca, token)
	if err != nil {
		return nil, &usageError{err}
	}
	return people, nil
}

type clientSettings struct {
	URL       string `yaml:"url"`
	CAFile    string `yaml:"caFile"`
	TokenFile string `yaml:"tokenFile"`
}

func clientFile() (c clientSettings, path string, err error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return c, "~/.config/scaleio-scheduler/client.yaml", nil //nolint:nilerr // no home directory: flags and environment may still do
	}
	path = filepath.Join(dir, "scaleio-scheduler", "client.yaml")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, path, nil
	}
	if err == nil {
		err = yaml.Unmarshal(raw, &c)
	}
	if err != nil {
		return c, path, fmt.Errorf("reading %s: %w", path, err)
	}
	return c, path, nil
}

// asking makes a command that calls a running scheduler.
func asking(use, short, long string, args cobra.PositionalArgs, act func(context.Context, *client.People, *cobra.Command, []string) error) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long,
		Args: func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return &usageError{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			people, err := t.people()
			if err != nil {
				return err
			}
			return act(cmd.Context(), people, cmd, given)
		},
	}
	t.register(cmd.Flags())
	return cmd
}

func author() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

func holdCommand() *cobra.Command {
	var r api.HoldRequest
	var duration time.Duration
	cmd := asking("hold [NODE]", "Stop every change to the cluster or to one node",
		"Stops every change within a second; observation, status and storage go on. It survives restarts and lasts until `release` or --for.\n\n"+
			"On a node without a scheduler, `scaleio-agent hold` does the same.",
		cobra.MaximumNArgs(1), func(ctx context.Context, p *client.People, cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				r.Node = args[0]
			}
			r.Author, r.ForMS = cmp.Or(r.Author, author()), duration.Milliseconds()
			if err := p.Hold(ctx, r); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "held: %s\n", cmp.Or(r.Node, "the whole cluster"))
			return nil
		})
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why, for everybody who looks")
	cmd.Flags().StringVar(&r.Author, "author", "", "who (default: you@this-host)")
	cmd.Flags().DurationVar(&duration, "for", 0, "how long, as 30m; 0 = until released")
	return cmd
}

func releaseCommand() *cobra.Command {
	var what string
	cmd := asking("release [NODE]", "Take back a hold, or what never times out",
		`Takes back the hold of the cluster or of NODE. With --what it takes back one of these instead, after you looked:
  disruption  the right to interrupt a node, from a holder that will not come back
  formation   the grant to form the cluster, when its node formed none: another manager gets it
  identity    the key of NODE, so that the machine may join again with a new one
  read-only   what made the cluster read-only, when the node that showed it is gone`,
		cobra.MaximumNArgs(1), func(ctx context.Context, p *client.People, cmd *cobra.Command, args []string) error {
			node := ""
			if len(args) == 1 {
				node = args[0]
			}
			var err error
			if what == "hold" {
				err = p.Hold(ctx, api.HoldRequest{Node: node, Author: author(), Release: true})
			} else {
				err = p.Release(ctx, api.ReleaseRequest{What: what, Node: node, Author: author()})
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "released: %s of %s\n", what, cmp.Or(node, "the cluster"))
			return nil
		})
	cmd.Flags().StringVar(&what, "what", "hold", "hold, disruption, formation, identity or read-only")
	return cmd
}

// approvedText says what is being bought, and what it costs.
func approvedText(e *api.ExpansionView) string {
	return fmt.Sprintf("expansion %s: %s", e.ID, e.What)
}

func approveCommand() *cobra.Command {
	var who string
	cmd := asking("approve NODE DISK | approve EXPANSION-ID", "Let an empty disk be used, or an expansion be bought",
		"Approves a disk by its identity, as `status` shows it, never by its letter. DISK '*' approves all that the node holds back now for want of approval.\n\n"+
			"With an expansion's id (or at least 8 characters of its beginning), as `plan` and `events` show it, approves that purchase: it is looked at once more, and begins.",
		cobra.RangeArgs(1, 2), func(ctx context.Context, p *client.People, cmd *cobra.Command, args []string) error {
			r, text := api.ApproveRequest{Expansion: args[0], Author: cmp.Or(who, author())}, "expansion "+args[0]
			if len(args) == 2 {
				r, text = api.ApproveRequest{Node: args[0], Disk: args[1], Author: cmp.Or(who, author())}, args[1]+" of "+args[0]
			}
			answer, err := p.Approve(ctx, r)
			if err != nil {
				return err
			}
			if e := answer.Expansion; e != nil {
				text = approvedText(e)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "approved: %s\n", text)
			return nil
		})
	cmd.Flags().StringVar(&who, "author", "", "who approves (default: you@this-host)")
	return cmd
}
