package rexray

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	pluginType    = "application/vnd.docker.plugins.v1.1+json"
	requestWithin = 110 * time.Second // Mesos' isolator gives a mount 120 s
	maxRequest    = 1 << 20
)

type pluginRequest struct {
	Name string            `json:"Name"`
	Opts map[string]string `json:"Opts"`
}

type pluginVolume struct {
	Name       string         `json:"Name"`
	Mountpoint string         `json:"Mountpoint"`
	Status     map[string]any `json:"Status,omitempty"`
}

type pluginAnswer struct {
	Implements   []string        `json:"Implements,omitempty"`
	Mountpoint   string          `json:"Mountpoint,omitempty"`
	Volume       *pluginVolume   `json:"Volume,omitempty"`
	Volumes      *[]pluginVolume `json:"Volumes,omitempty"`
	Capabilities map[string]any  `json:"Capabilities,omitempty"`
	Err          string          `json:"Err"`
}

type pluginCall func(ctx context.Context, req pluginRequest) (pluginAnswer, error)

// plugin is the Docker volume plugin protocol of one module.
func (d *driver) plugin(m Module) http.Handler {
	calls := map[string]pluginCall{
		"/Plugin.Activate": func(context.Context, pluginRequest) (pluginAnswer, error) {
			return pluginAnswer{Implements: []string{"VolumeDriver"}}, nil
		},
		"/VolumeDriver.Capabilities": func(context.Context, pluginRequest) (pluginAnswer, error) {
			return pluginAnswer{Capabilities: map[string]any{"Scope": "global"}}, nil
		},
		"/VolumeDriver.Create": func(ctx context.Context, r pluginRequest) (pluginAnswer, error) {
			return pluginAnswer{}, d.create(ctx, r.Name, r.Opts)
		},
		"/VolumeDriver.Remove": func(ctx context.Context, r pluginRequest) (pluginAnswer, error) {
			return pluginAnswer{}, d.remove(ctx, r.Name)
		},
		"/VolumeDriver.Mount": func(ctx context.Context, r pluginRequest) (pluginAnswer, error) {
			at, err := d.mount(ctx, r.Name)
			return pluginAnswer{Mountpoint: at}, err
		},
		"/VolumeDriver.Unmount": func(ctx context.Context, r pluginRequest) (pluginAnswer, error) {
			return pluginAnswer{}, d.unmount(ctx, r.Name, m.IgnoreUsedCount)
		},
		"/VolumeDriver.Path": func(_ context.Context, r pluginRequest) (pluginAnswer, error) {
			at, err := d.path(r.Name)
			return pluginAnswer{Mountpoint: at}, err
		},
		"/VolumeDriver.Get":  d.pluginGet,
		"/VolumeDriver.List": d.pluginList,
	}
	mux := http.NewServeMux()
	for path, call := range calls {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) { d.answer(w, r, path, call) })
	}
	return mux
}

func (d *driver) pluginGet(ctx context.Context, r pluginRequest) (pluginAnswer, error) {
	v, err := d.existing(ctx, r.Name)
	if err != nil {
		return pluginAnswer{}, err
	}
	at, err := d.path(r.Name)
	return pluginAnswer{Volume: &pluginVolume{Name: v.Name, Mountpoint: at, Status: map[string]any{"id": v.ID, "size": v.SizeKB / kbPerGB}}}, err
}

func (d *driver) pluginList(ctx context.Context, _ pluginRequest) (pluginAnswer, error) {
	all, err := d.list(ctx)
	volumes := []pluginVolume{}
	for _, v := range all {
		at, pathErr := d.path(v.Name)
		err = errors.Join(err, pathErr)
		volumes = append(volumes, pluginVolume{Name: v.Name, Mountpoint: at})
	}
	return pluginAnswer{Volumes: &volumes}, err
}

func (d *driver) answer(w http.ResponseWriter, r *http.Request, path string, call pluginCall) {
	var req pluginRequest
	err := json.NewDecoder(io.LimitReader(r.Body, maxRequest)).Decode(&req)
	if errors.Is(err, io.EOF) { // Plugin.Activate has no body
		err = nil
	}
	var a pluginAnswer
	if err == nil {
		// The caller going away must not cut a mount in the middle.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), requestWithin)
		defer cancel()
		a, err = call(ctx, req)
	}
	w.Header().Set("Content-Type", pluginType)
	if err != nil {
		d.log.Warn("request failed", "request", path, "volume", req.Name, "err", err)
		a = pluginAnswer{Err: err.Error()}
		w.WriteHeader(http.StatusInternalServerError)
	}
	_ = json.NewEncoder(w).Encode(a) // a caller that has gone needs no answer
}

// serve answers at the sockets of all modules until ctx ends.
func (d *driver) serve(ctx context.Context, modules []Module) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	errs := make([]error, len(modules))
	for i, m := range modules {
		l, err := listen(ctx, m.Host)
		if err != nil {
			cancel()
			errs[i] = fmt.Errorf("module %s: %w", m.Name, err)
			break
		}
		server := &http.Server{Handler: d.plugin(m), ReadHeaderTimeout: 10 * time.Second}
		running.Go(func() {
			<-ctx.Done()
			finish, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer done()
			_ = server.Shutdown(finish) // what doesn't end by then is cut with the process
		})
		running.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				errs[i] = fmt.Errorf("module %s: %w", m.Name, err)
				cancel()
			}
		})
		d.log.Info("docker volume plugin listening", "module", m.Name, "host", m.Host)
	}
	running.Wait()
	return errors.Join(errs...)
}

func listen(ctx context.Context, host string) (net.Listener, error) {
	path := strings.TrimPrefix(host, "unix://")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the plugin directory: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replacing %s: %w", path, err)
	}
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}
