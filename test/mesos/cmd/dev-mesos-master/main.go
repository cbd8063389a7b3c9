// Command dev-mesos-master is a stand-in for mesos-master: the real scheduler
// API over HTTP for schedulers, and agents of its own kind.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"scaleio-framework/test/mesos"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "dev-mesos-master:", err)
		os.Exit(1)
	}
}

type options struct {
	cfg         mesos.Config
	listen      string
	roles       string
	credentials string
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:          "dev-mesos-master",
		Short:        "A stand-in for a Mesos master (not Apache Mesos)",
		Args:         cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.listen, "listen", "", "address to listen on (default ip:port)")
	flags.StringVar(&o.cfg.IP, "ip", "127.0.0.1", "address that the master says of itself")
	flags.IntVar(&o.cfg.Port, "port", 5050, "port that the master says of itself")
	flags.StringVar(&o.cfg.Hostname, "hostname", "", "hostname that the master says of itself (default ip)")
	flags.StringVar(&o.cfg.ID, "id", "", "master id (default random)")
	flags.StringVar(&o.roles, "roles", "", "comma-separated roles that frameworks may use (default all)")
	flags.StringVar(&o.credentials, "credentials", "", "file of lines \"principal secret\": frameworks must authenticate")
	flags.StringVar(&o.cfg.Leader, "leader", "", "host:port of the leading master: answer 307 to it")
	flags.DurationVar(&o.cfg.HeartbeatInterval, "heartbeat-interval", 15*time.Second, "between two heartbeats of a subscription")
	flags.DurationVar(&o.cfg.AllocationInterval, "allocation-interval", time.Second, "between two rounds of offers")
	flags.DurationVar(&o.cfg.AgentPingTimeout, "agent-ping-timeout", 75*time.Second, "from a lost agent connection to unreachable")
	flags.DurationVar(&o.cfg.OfferTimeout, "offer-timeout", 0, "rescind unused offers after this time (0 = never)")
	flags.IntVar(&o.cfg.MaxOffersPerEvent, "max-offers-per-event", 0, "split larger rounds of offers (0 = never, as Mesos)")
	return cmd
}

func run(ctx context.Context, o options) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("this is a stand-in for a Mesos master, not Apache Mesos", "version", mesos.Version)
	o.cfg.Log = log
	if o.roles != "" {
		o.cfg.Roles = strings.Split(o.roles, ",")
	}
	var err error
	if o.cfg.Credentials, err = readCredentials(o.credentials); err != nil {
		return err
	}
	if o.listen == "" {
		o.listen = net.JoinHostPort(o.cfg.IP, strconv.Itoa(o.cfg.Port))
	}
	master := mesos.NewMaster(o.cfg)
	server := &http.Server{Addr: o.listen, Handler: master.Handler(), ReadHeaderTimeout: 10 * time.Second}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return master.Run(ctx) })
	group.Go(func() error {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("listening on %s: %w", o.listen, err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return group.Wait()
}

// readCredentials reads Mesos' text form: a principal and a secret per line.
func readCredentials(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading credentials: %w", err)
	}
	credentials := map[string]string{}
	for _, line := range strings.Split(string(data), "\n") {
		if fields := strings.Fields(line); len(fields) == 2 {
			credentials[fields[0]] = fields[1]
		}
	}
	if len(credentials) == 0 {
		return nil, fmt.Errorf("reading credentials: no line \"principal secret\" in %s", path)
	}
	return credentials, nil
}
