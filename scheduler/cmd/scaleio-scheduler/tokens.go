package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

func tokensCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "tokens", Short: "Make, list and revoke enrolment tokens: machines join with them that no Mesos task was placed on",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return &usageError{fmt.Errorf("say create, list or revoke; see `%s --help`", cmd.CommandPath())}
		},
	}
	cmd.AddCommand(createTokenCommand(), listTokensCommand(), revokeTokenCommand())
	return cmd
}

func createTokenCommand() *cobra.Command {
	var r api.TokenRequest
	var ttl time.Duration
	var agentYAML bool
	cmd := asking("create", "Make an enrolment token and print it, this once",
		"Makes a token with which --count machines may join until --ttl is over. It goes into /etc/scaleio-agent/agent.yaml, which --agent-yaml prints whole\n"+
			"(see packaging/butane). Joining alone yields no secret; every use is an event.",
		cobra.NoArgs, func(ctx context.Context, p *client.People, cmd *cobra.Command, _ []string) error {
			r.Author, r.TTLMS = cmp.Or(r.Author, author()), ttl.Milliseconds()
			made, err := p.CreateToken(ctx, r)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "token %s: %d nodes until %s\n", made.ID, made.Count, made.Expires.Format(time.RFC3339))
			if agentYAML {
				return writeAgentYAML(cmd.OutOrStdout(), made)
			}
			fmt.Fprintln(cmd.OutOrStdout(), made.Token)
			return nil
		})
	cmd.Flags().DurationVar(&ttl, "ttl", 24*time.Hour, "how long it lives, as 2h")
	cmd.Flags().IntVar(&r.Count, "count", 1, "how many nodes it makes")
	cmd.Flags().StringVar(&r.Domain, "domain", "", "failure domain of the nodes that join by it, where no Mesos agent's attribute says one")
	cmd.Flags().StringVar(&r.Author, "author", "", "who (default: you@this-host)")
	cmd.Flags().BoolVar(&agentYAML, "agent-yaml", false, "print a whole agent.yaml: servers, cluster, CA and token")
	return cmd
}

// writeAgentYAML writes what scaleio-agent reads.
func writeAgentYAML(out io.Writer, made api.NewToken) error {
	enc := yaml.NewEncoder(out)
	enc.SetIndent(2)
	err := enc.Encode(struct {
		Servers []string `yaml:"servers"`
		Cluster string   `yaml:"cluster"`
		CA      string   `yaml:"ca"`
		Token   string   `yaml:"token"`
	}{made.Servers, made.Cluster, made.CA, made.Token})
	if err != nil {
		return fmt.Errorf("writing agent.yaml: %w", err)
	}
	return enc.Close()
}

func listTokensCommand() *cobra.Command {
	var asJSON bool
	cmd := asking("list", "List the enrolment tokens", "Lists enrolment tokens by the first digits of their digests; what they are is stored nowhere.",
		cobra.NoArgs, func(ctx context.Context, p *client.People, cmd *cobra.Command, _ []string) error {
			list, err := p.Tokens(ctx)
			if err != nil {
				return err
			}
			out := plain{cmd.OutOrStdout()}
			if asJSON {
				return writeJSON(out, list)
			}
			w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
			fmt.Fprintln(w, "TOKEN\tSTATE\tUSED\tEXPIRES\tDOMAIN\tAUTHOR\tNODES")
			for _, t := range list.Tokens {
				fmt.Fprintf(w, "%s\t%s\t%d of %d\t%s\t%s\t%s\t%s\n", t.ID, tokenState(t, time.Now()), len(t.Nodes), t.Count, t.Expires.Format(time.RFC3339),
					cmp.Or(t.Domain, "-"), t.Author, oneLine(cmp.Or(strings.Join(t.Nodes, " "), "-")))
			}
			return w.Flush()
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func tokenState(t api.TokenStatus, now time.Time) string {
	switch {
	case t.Revoked:
		return "revoked"
	case now.After(t.Expires):
		return "expired"
	case len(t.Nodes) >= t.Count:
		return "used up"
	}
	return "good"
}

func revokeTokenCommand() *cobra.Command {
	return asking("revoke TOKEN", "End an enrolment token", "Ends an enrolment token, named as `tokens list` shows it. Nodes that joined by it stay.",
		cobra.ExactArgs(1), func(ctx context.Context, p *client.People, cmd *cobra.Command, args []string) error {
			if err := p.RevokeToken(ctx, api.TokenRevocation{ID: args[0], Author: author()}); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "revoked: %s\n", args[0])
			return nil
		})
}
