package dvdcli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	pluginType = "application/vnd.docker.plugins.v1.1+json"
	maxAnswer  = 8 << 20
)

// plugin is one Docker volume plugin.
type plugin struct {
	name   string
	base   string
	client *http.Client
}

type pluginVolume struct {
	Name       string         `json:"Name"`
	Mountpoint string         `json:"Mountpoint"`
	Status     map[string]any `json:"Status,omitempty"`
}

type request struct {
	Name string            `json:"Name,omitempty"`
	Opts map[string]string `json:"Opts,omitempty"`
}

type answer struct {
	Implements []string       `json:"Implements"`
	Mountpoint string         `json:"Mountpoint"`
	Volume     *pluginVolume  `json:"Volume"`
	Volumes    []pluginVolume `json:"Volumes"`
	Err        string         `json:"Err"`
}

var errNoPlugin = errors.New("plugin not found")

// findPlugin looks where Docker looks: a socket of that name, then a .spec or .json file that says where the plugin listens.
func findPlugin(root, name string) (*plugin, error) {
	if name == "" || strings.ContainsRune(name, '/') {
		return nil, fmt.Errorf("volume driver %q: %w", name, errNoPlugin)
	}
	sockets := filepath.Join(root, "run/docker/plugins")
	for _, path := range []string{filepath.Join(sockets, name+".sock"), filepath.Join(sockets, name, name+".sock")} {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
			return unixPlugin(name, path), nil
		}
	}
	for _, dir := range []string{"etc/docker/plugins", "usr/lib/docker/plugins"} {
		for _, ext := range []string{".spec", ".json"} {
			data, err := os.ReadFile(filepath.Join(root, dir, name+ext))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("reading the plugin's specification: %w", err)
			}
			return specified(name, ext, data)
		}
	}
	return nil, fmt.Errorf("volume driver %q: %w", name, errNoPlugin)
}

func specified(name, ext string, data []byte) (*plugin, error) {
	addr := strings.TrimSpace(string(data))
	if ext == ".json" {
		var spec struct{ Addr string }
		if err := json.Unmarshal(data, &spec); err != nil {
			return nil, fmt.Errorf("reading the specification of %s: %w", name, err)
		}
		addr = spec.Addr
	}
	u, err := url.Parse(addr)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the specification of %s: %w", name, err)
	case u.Scheme == "unix":
		return unixPlugin(name, u.Path), nil
	case u.Scheme == "tcp" || u.Scheme == "http":
		return &plugin{name: name, base: "http://" + u.Host, client: &http.Client{}}, nil
	}
	return nil, fmt.Errorf("reading the specification of %s: address %q is neither unix:// nor tcp://", name, addr)
}

func unixPlugin(name, socket string) *plugin {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &plugin{name: name, base: "http://plugin", client: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// activate is the handshake that Docker begins with.
func (p *plugin) activate(ctx context.Context) error {
	a, err := p.call(ctx, "Plugin.Activate", request{})
	if err != nil {
		return err
	}
	if !slices.Contains(a.Implements, "VolumeDriver") {
		return fmt.Errorf("plugin %s is no volume driver", p.name)
	}
	return nil
}

func (p *plugin) call(ctx context.Context, method string, in request) (answer, error) {
	var a answer
	body, err := json.Marshal(in)
	if err != nil {
		return a, fmt.Errorf("encoding %s: %w", method, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+"/"+method, bytes.NewReader(body))
	if err != nil {
		return a, fmt.Errorf("asking %s: %w", method, err)
	}
	req.Header.Set("Content-Type", pluginType)
	req.Header.Set("Accept", pluginType)
	resp, err := p.client.Do(req)
	if err != nil {
		return a, fmt.Errorf("asking %s: %w", method, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return a, fmt.Errorf("reading the answer of %s: %w", method, err)
	}
	err = json.Unmarshal(data, &a)
	switch {
	case a.Err != "":
		return a, fmt.Errorf("%s: %s", method, a.Err)
	case resp.StatusCode != http.StatusOK:
		return a, fmt.Errorf("%s: %s", method, resp.Status)
	case err != nil:
		return a, fmt.Errorf("decoding the answer of %s: %w", method, err)
	}
	return a, nil
}
