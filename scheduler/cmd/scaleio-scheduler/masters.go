package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/config"
	"scaleio-framework/scheduler/offers"
	"scaleio-framework/scheduler/zookeeper"
)

// mastersSession is short enough to hear soon of another leader, and nothing is lost with it: it holds nothing.
const mastersSession = 10 * time.Second

// listed masters are URLs; others are found in ZooKeeper.
func listed(masters []string) []string {
	if len(masters) == 1 && strings.HasPrefix(masters[0], zookeeper.Scheme) {
		return nil
	}
	return masters
}

// findMasters lets the driver know where the masters are. What it gives back ends that.
func findMasters(ctx context.Context, c config.Config, o *scheduler.Options, log *slog.Logger) (forget func(), err error) {
	driver := o.Mesos.(*offers.Driver) // as options made it
	o.Masters = driver.Known
	if listed(c.MesosMasters) != nil {
		return func() {}, nil
	}
	servers, path, err := zookeeper.ParseURL(c.MesosMasters[0])
	if err != nil {
		return nil, &usageError{err}
	}
	conn, err := zookeeper.Dial(zookeeper.Options{Servers: servers, Session: mastersSession, Log: log})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { (&offers.Detector{Client: conn, Path: path, Log: log}).Watch(ctx, driver.Found) })
	return func() {
		cancel()
		watching.Wait()
		conn.Close()
	}, nil
}
