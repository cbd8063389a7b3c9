// Command dev-ec2 is a stand-in for Amazon EC2 and its instances' metadata service, for the nodes of a cluster on this machine: volumes that are attached to an
// instance become loop devices of its node. Package control steers it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"scaleio-framework/test/aws"
	"scaleio-framework/test/aws/control"
	"scaleio-framework/test/aws/imds"
	"scaleio-framework/test/aws/loopdisk"
	"scaleio-framework/test/nodes"
)

func main() {
	nodes.RunHelper()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "dev-ec2:", err)
		os.Exit(1)
	}
}

type options struct {
	config           aws.Config
	listen, metadata string
	cluster          string
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:          "dev-ec2",
		Short:        "A stand-in for Amazon EC2 (not Amazon's)",
		Args:         cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8773", "address of EC2's API, and of what steers the stand-in")
	flags.StringVar(&o.metadata, "metadata", "127.0.0.1:8169", "address of the metadata service: it knows instances by the address that they call from")
	flags.StringVar(&o.cluster, "cluster", "", "name of the cluster whose nodes are the instances; without one, volumes appear nowhere")
	flags.StringVar(&o.config.File, "state", "", "file that keeps everything over restarts")
	flags.StringVar(&o.config.Region, "region", "eu-central-1", "region")
	flags.DurationVar(&o.config.Takes.Create, "create-takes", 1500*time.Millisecond, "from CreateVolume to available")
	flags.DurationVar(&o.config.Takes.Attach, "attach-takes", time.Second, "from AttachVolume to attached")
	flags.DurationVar(&o.config.Takes.Detach, "detach-takes", time.Second, "from DetachVolume to available")
	flags.DurationVar(&o.config.Takes.Call, "call-takes", 50*time.Millisecond, "each call")
	flags.DurationVar(&o.config.Reads.Lag, "reads-lag", 500*time.Millisecond, "how old the state may be that describing calls show")
	return cmd
}

func run(ctx context.Context, o options) error {
	o.config.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	o.config.Log.Info("this is a stand-in for Amazon EC2, not Amazon's", "region", o.config.Region)
	o.config.Reads.Jumpy = true
	if o.cluster != "" {
		o.config.Backend = loopdisk.New(o.cluster, o.config.Log)
	}
	cloud, err := aws.Open(o.config)
	if err != nil {
		return err
	}
	defer cloud.Close()
	metadata := imds.New(cloud)
	group, ctx := errgroup.WithContext(ctx)
	for address, handler := range map[string]http.Handler{o.listen: control.Handler(cloud, metadata), o.metadata: metadata} {
		server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		group.Go(func() error {
			if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serving %s: %w", address, err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			return server.Close()
		})
	}
	return group.Wait()
}
