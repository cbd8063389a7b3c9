package offers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strconv"
	"time"

	"scaleio-framework/scheduler/zookeeper"
)

// A Detector finds the Mesos masters where they register: each candidate of their election has a znode json.info_SEQUENCE with its address,
// and the one with the lowest number leads (Mesos 1.11, src/master/detector/zookeeper.cpp).
type Detector struct {
	Client zookeeper.Client
	Path   string
	Log    *slog.Logger
}

const (
	lookAgain    = 15 * time.Second // besides what the watch tells
	lookAfterBad = time.Second
	lookLimit    = 10 * time.Second
)

var candidate = regexp.MustCompile(`^json\.info_(\d+)$`)

// masterInfo is the part of MasterInfo that says where it is.
type masterInfo struct {
	Hostname string
	Port     int
	Address  struct {
		Hostname, IP string
		Port         int
	}
}

// Watch tells of the masters, the leading one first, whenever they changed, until ctx ends. While ZooKeeper has nothing to say the last ones
// stand: a master leads on without it for a while, and says itself when it doesn't.
func (d *Detector) Watch(ctx context.Context, told func(masters []string, err error)) {
	var last []string
	failed := false
	for ctx.Err() == nil {
		masters, changed, err := d.look(ctx)
		wait := lookAgain
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait, changed = lookAfterBad, nil
			if !failed {
				d.Log.Warn("the Mesos masters can't be found in ZooKeeper; the last known ones stand", "path", d.Path, "known", last, "err", err)
			}
			told(last, err)
		case failed || !slices.Equal(masters, last):
			d.Log.Info("Mesos masters found in ZooKeeper", "path", d.Path, "leading", masters[0], "masters", len(masters))
			last = masters
			told(masters, nil)
		}
		failed = err != nil
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (d *Detector) look(ctx context.Context) (masters []string, changed <-chan struct{}, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	if changed, err = d.Client.Watch(ctx, d.Path); err != nil { // first, so that nothing changes unseen between
		return nil, nil, err
	}
	names, err := d.Client.Children(ctx, d.Path)
	if err != nil {
		return nil, nil, fmt.Errorf("finding the Mesos masters: %w", err)
	}
	numbers := map[string]uint64{}
	for _, name := range names {
		if m := candidate.FindStringSubmatch(name); m != nil {
			numbers[name], _ = strconv.ParseUint(m[1], 10, 64) // digits alone
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, is := numbers[name]; return !is })
	slices.SortFunc(names, func(a, b string) int { return int(numbers[a]) - int(numbers[b]) })
	for _, name := range names {
		raw, _, err := d.Client.Get(ctx, d.Path+"/"+name)
		if errors.Is(err, zookeeper.ErrNoNode) {
			continue // it went since
		}
		if err != nil {
			return nil, nil, fmt.Errorf("finding the Mesos masters: %w", err)
		}
		address, err := masterAddress(raw)
		if err != nil {
			return nil, nil, fmt.Errorf("reading Mesos' %s/%s: %w", d.Path, name, err)
		}
		masters = append(masters, address)
	}
	if len(masters) == 0 {
		return nil, nil, fmt.Errorf("no Mesos master is registered in ZooKeeper at %s", d.Path)
	}
	return masters, changed, nil
}

// masterAddress prefers the IP, which is what Mesos itself connects to; old masters have no address object.
func masterAddress(raw []byte) (string, error) {
	var info masterInfo
	if err := json.Unmarshal(raw, &info); err != nil {
		return "", err
	}
	host, port := info.Address.IP, info.Address.Port
	if host == "" {
		host = info.Address.Hostname
	}
	if host == "" {
		host = info.Hostname
	}
	if port == 0 {
		port = info.Port
	}
	if host == "" || port <= 0 || port > 65535 {
		return "", errors.New("no address and port in it")
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port)), nil
}
