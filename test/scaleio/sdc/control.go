package sdc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// The control node: in the product a character device that drv_cfg's ioctls go to, here a unix socket at the same path, one request
// and one answer per connection.
const controlWithin = 10 * time.Second

type controlRequest struct {
	Op  string   `json:"op"`
	IP  string   `json:"ip,omitempty"`
	IPs []string `json:"ips,omitempty"`
}

type controlAnswer struct {
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
}

var errNotLoaded = errors.New("the scini driver is not loaded")

// serveControl answers until ctx ends.
func serveControl(ctx context.Context, path string, handle func(controlRequest) (string, error)) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("restricting %s: %w", path, err), l.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting at %s: %w", path, err)
		}
		conns.Go(func() { answerControl(c, handle) })
	}
}

func answerControl(c net.Conn, handle func(controlRequest) (string, error)) {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(controlWithin)); err != nil {
		return
	}
	line, err := bufio.NewReader(c).ReadBytes('\n')
	if err != nil {
		return
	}
	var req controlRequest
	var a controlAnswer
	if err = json.Unmarshal(line, &req); err == nil {
		a.Text, err = handle(req)
	}
	if err != nil {
		a.Error = err.Error()
	}
	_ = json.NewEncoder(c).Encode(a) // a caller that has gone needs no answer
}

// control asks the driver at path.
func control(path string, req controlRequest) (string, error) {
	c, err := net.DialTimeout("unix", path, controlWithin)
	if err != nil {
		return "", errNotLoaded
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(controlWithin)); err != nil {
		return "", fmt.Errorf("asking the driver to %s: %w", req.Op, err)
	}
	var a controlAnswer
	if err := json.NewEncoder(c).Encode(req); err != nil {
		return "", fmt.Errorf("asking the driver to %s: %w", req.Op, err)
	}
	if err := json.NewDecoder(c).Decode(&a); err != nil {
		return "", fmt.Errorf("asking the driver to %s: %w", req.Op, err)
	}
	if a.Error != "" {
		return "", errors.New(a.Error)
	}
	return a.Text, nil
}

// handle is the driver's side of drv_cfg.
func (v *driver) handle(req controlRequest) (string, error) {
	switch req.Op {
	case "query-guid":
		return v.options.GUID + "\n", nil
	case "query-mdms":
		return v.queryMDMs(), nil
	case "query-vols":
		return v.queryVolumes(), nil
	case "query-version":
		return v.options.Build + "\n", nil
	case "rescan":
		v.poke()
		return "", nil
	case "add-mdm":
		return "", v.change(func(c *Config) error { return c.add(req.IPs) })
	case "mod-mdm-ip":
		return "", v.change(func(c *Config) error { return c.modify(req.IP, req.IPs) })
	case "remove-mdm":
		return "", v.change(func(c *Config) error { return c.remove(req.IP) })
	case "in-use":
		return strings.Join(v.devices.inUse(), " "), nil
	}
	return "", fmt.Errorf("unknown request %q", req.Op)
}
