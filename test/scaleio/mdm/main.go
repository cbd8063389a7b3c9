package mdm

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Main runs the daemon as the package's unit does.
func Main(args []string) int {
	flags := flag.NewFlagSet("mdm", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "mdm: stand-in for the ScaleIO MDM, for tests; not the vendor's software")
		flags.PrintDefaults()
	}
	var opt Options
	flags.StringVar(&opt.Root, "root", "/", "prefix of all paths")
	flags.StringVar(&opt.Listen, "listen", "", "address to listen on")
	debug := flags.Bool("debug", false, "log every command")
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
	node, err := New(opt)
	if err == nil {
		err = node.Run(ctx)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "mdm:", err)
		return 1
	}
	return 0
}
