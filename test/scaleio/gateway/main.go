package gateway

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Main runs the gateway, or with --configure the part that its package runs at installation.
func Main(args []string) int {
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "gateway: stand-in for the ScaleIO REST gateway, for tests; not the vendor's software")
		flags.PrintDefaults()
	}
	var opt Options
	flags.StringVar(&opt.Root, "root", "/", "prefix of all paths")
	flags.StringVar(&opt.Listen, "listen", "", "address to listen on")
	flags.IntVar(&opt.Port, "port", 443, "port to listen on")
	configure := flags.Bool("configure", false, "write the configuration with GATEWAY_ADMIN_PASSWORD from the environment, then exit")
	debug := flags.Bool("debug", false, "log every refusal")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	level := slog.LevelInfo
	if *debug {
		level = slog.LevelDebug
	}
	opt.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var err error
	if *configure {
		err = Configure(opt, os.Getenv("GATEWAY_ADMIN_PASSWORD"))
	} else {
		err = New(opt).Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		return 1
	}
	return 0
}
