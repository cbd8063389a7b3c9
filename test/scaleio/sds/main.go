package sds

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"scaleio-framework/test/scaleio/wire"
)

// Main is the sds daemon of a node; args are those after the program's name.
func Main(args []string) int {
	flags := flag.NewFlagSet("sds", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "sds: stand-in for the ScaleIO data server, for tests and demonstrations")
		flags.PrintDefaults()
	}
	dir := flags.String("dir", "/opt/emc/scaleio/sds/cfg", "directory of the state")
	listen := flags.String("listen", fmt.Sprintf(":%d", wire.PortSDS), "address to listen at")
	dev := flags.String("dev", "/dev", "directory whose block devices may be ours")
	minimum := flags.Int64("min-device-gb", 100, "smallest device taken, in GB of 2^30 bytes")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("stand-in ScaleIO SDS starting", "listen", *listen, "dir", *dir)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	s, err := New(Options{Dir: *dir, MinDeviceBytes: *minimum << 30, Scan: scanDev(*dev), Log: log})
	if err != nil {
		log.Error("starting failed", "err", err)
		return 1
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err == nil {
		err = s.Serve(ctx, l)
	}
	if err := errors.Join(err, s.Close()); err != nil {
		log.Error("serving failed", "err", err)
		return 1
	}
	return 0
}
