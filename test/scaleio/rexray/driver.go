package rexray

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

const (
	blockGB = 8       // volumes come in multiples of it
	kbPerGB = 1 << 20 //
)

// host is what the driver does on its node.
type host interface {
	GUID(ctx context.Context) (string, error)
	// Device waits until the volume's block device is there.
	Device(ctx context.Context, systemID, volumeID string) (string, error)
	// Prepare makes a file system on a blank device and gives the type of the one that is there.
	Prepare(ctx context.Context, device, fsType string) (string, error)
	Mount(device, dir, fsType string) error
	// Unmount of something stale doesn't wait for its users: its device is gone.
	Unmount(dir string, stale bool) error
	// Mounted reports whether something is mounted at dir, and whether that is the device.
	Mounted(dir, device string) (some, same bool, err error)
}

// driver carries out what the plugins are asked for.
type driver struct {
	config  Config
	gateway *gateway
	host    host
	root    string // /var/lib/rexray/volumes
	log     *slog.Logger

	systemID, domainID, poolID, sdcID string

	mu    sync.Mutex
	locks map[string]*sync.Mutex // per volume name
	used  map[string]int         // mounts asked for less unmounts
	types map[string]string      // newFsType of volumes created here
}

// newDriver fails, as the product's service does at start, when the gateway, the system or this node's SDC can't be found.
func newDriver(ctx context.Context, c Config, h host, root string, log *slog.Logger) (*driver, error) {
	d := &driver{
		config: c, gateway: newGateway(c), host: h, root: root, log: log,
		locks: map[string]*sync.Mutex{}, used: map[string]int{}, types: map[string]string{},
	}
	guid := c.GUID
	if guid == "" {
		var err error
		if guid, err = h.GUID(ctx); err != nil {
			return nil, fmt.Errorf("getting SDC guid: %w", err)
		}
	}
	if err := d.gateway.login(ctx); err != nil {
		return nil, err
	}
	system, err := d.gateway.find(ctx, "System", c.System, "")
	if err != nil {
		return nil, err
	}
	domain, err := d.gateway.find(ctx, "ProtectionDomain", c.Domain, "")
	if err != nil {
		return nil, err
	}
	pool, err := d.gateway.find(ctx, "StoragePool", c.Pool, domain.ID)
	if err != nil {
		return nil, err
	}
	d.systemID, d.domainID, d.poolID = system.ID, domain.ID, pool.ID
	var sdcs []sdcObject
	if err := d.gateway.call(ctx, http.MethodGet, "/types/Sdc/instances", nil, &sdcs); err != nil {
		return nil, err
	}
	for _, s := range sdcs {
		if strings.EqualFold(s.GUID, guid) {
			d.sdcID = s.ID
		}
	}
	if d.sdcID == "" {
		return nil, fmt.Errorf("finding this node at the MDM: could not find the SDC with guid %s", guid)
	}
	return d, nil
}

// lock is held for the whole of an operation on one volume.
func (d *driver) lock(name string) func() {
	d.mu.Lock()
	l := d.locks[name]
	if l == nil {
		l = &sync.Mutex{}
		d.locks[name] = l
	}
	d.mu.Unlock()
	l.Lock()
	return l.Unlock
}

func (d *driver) mountDir(name string) string { return filepath.Join(d.root, name) }
func (d *driver) dataDir(name string) string  { return filepath.Join(d.root, name, "data") }

var errBadName = errors.New("volume names have 1 to 31 characters and neither blanks nor slashes")

func checkName(name string) error {
	if name == "" || len(name) > 31 || strings.ContainsAny(name, " \t\n/") || name == "." || name == ".." {
		return fmt.Errorf("volume %q: %w", name, errBadName)
	}
	return nil
}

// create is done when the volume exists: dvdcli asks for it before every mount.
func (d *driver) create(ctx context.Context, name string, opts map[string]string) error {
	if err := checkName(name); err != nil {
		return err
	}
	defer d.lock(name)()
	v, err := d.gateway.volume(ctx, name)
	if err != nil || v != nil {
		return err
	}
	sizeGB, fsType := d.config.DefaultGB, d.config.FSType
	for key, value := range opts {
		switch strings.ToLower(key) {
		case "size":
			if sizeGB, err = strconv.ParseInt(value, 10, 64); err != nil || sizeGB < 1 {
				return fmt.Errorf("creating volume %s: size %q is no number of GB", name, value)
			}
		case "newfstype":
			if fsType = value; fsType != "ext4" && fsType != "xfs" {
				return fmt.Errorf("creating volume %s: file system %q is unknown", name, value)
			}
		}
	}
	sizeGB = (sizeGB + blockGB - 1) / blockGB * blockGB
	var created struct {
		ID string `json:"id"`
	}
	body := map[string]string{
		"name": name, "volumeSizeInKb": strconv.FormatInt(sizeGB*kbPerGB, 10), "volumeType": d.config.Type,
		"storagePoolId": d.poolID, "protectionDomainId": d.domainID,
	}
	if err := d.gateway.call(ctx, http.MethodPost, "/types/Volume/instances", body, &created); err != nil {
		return fmt.Errorf("creating volume %s: %w", name, err)
	}
	d.mu.Lock()
	d.types[name] = fsType
	d.mu.Unlock()
	d.log.Info("volume created", "volume", name, "id", created.ID, "gb", sizeGB)
	return nil
}

// mount maps the volume to this node and mounts it; with preempt it is taken from the nodes that have it.
func (d *driver) mount(ctx context.Context, name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	defer d.lock(name)()
	v, err := d.existing(ctx, name)
	if err != nil {
		return "", err
	}
	if err := d.attach(ctx, v); err != nil {
		return "", fmt.Errorf("attaching volume %s: %w", name, err)
	}
	device, err := d.host.Device(ctx, d.systemID, v.ID)
	if err != nil {
		return "", fmt.Errorf("attaching volume %s: %w", name, err)
	}
	dir := d.mountDir(name)
	some, same, err := d.host.Mounted(dir, device)
	if err != nil {
		return "", fmt.Errorf("mounting volume %s: %w", name, err)
	}
	if some && !same { // what an SDC that was restarted or a mapping that was taken away has left
		if err := d.host.Unmount(dir, true); err != nil {
			return "", fmt.Errorf("unmounting what is left of volume %s: %w", name, err)
		}
	}
	if !same {
		if err := d.mountDevice(ctx, name, device); err != nil {
			return "", fmt.Errorf("mounting volume %s: %w", name, err)
		}
	}
	d.mu.Lock()
	d.used[name]++
	d.mu.Unlock()
	d.log.Info("volume mounted", "volume", name, "device", device, "at", dir)
	return d.dataDir(name), nil
}

func (d *driver) mountDevice(ctx context.Context, name, device string) error {
	d.mu.Lock()
	fsType := d.types[name]
	d.mu.Unlock()
	if fsType == "" {
		fsType = d.config.FSType
	}
	fsType, err := d.host.Prepare(ctx, device, fsType)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.mountDir(name), 0o755); err != nil {
		return fmt.Errorf("making the mount point: %w", err)
	}
	if err := d.host.Mount(device, d.mountDir(name), fsType); err != nil {
		return err
	}
	if err := os.MkdirAll(d.dataDir(name), 0o755); err != nil {
		return fmt.Errorf("making the volume's root: %w", err)
	}
	return nil
}

func (d *driver) existing(ctx context.Context, name string) (*volume, error) {
	v, err := d.gateway.volume(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("looking for volume %s: %w", name, err)
	}
	if v == nil {
		return nil, fmt.Errorf("no volumes returned by name %s", name)
	}
	return v, nil
}

func (d *driver) attach(ctx context.Context, v *volume) error {
	for _, m := range v.Mapped {
		if m.SDC == d.sdcID {
			continue
		}
		if !d.config.Preempt {
			return fmt.Errorf("volume is attached to SDC %s and mount.preempt is off", m.SDC)
		}
		if err := d.gateway.act(ctx, v.ID, "removeMappedSdc", map[string]string{"sdcId": m.SDC}); err != nil {
			return fmt.Errorf("preempting SDC %s: %w", m.SDC, err)
		}
		d.log.Warn("volume taken from another node", "volume", v.Name, "sdc", m.SDC)
	}
	if v.mappedTo(d.sdcID) {
		return nil
	}
	return d.gateway.act(ctx, v.ID, "addMappedSdc", map[string]string{"sdcId": d.sdcID, "allowMultipleMappings": "FALSE"})
}

// unmount unmounts and unmaps, when nobody else on this node uses the volume or the module doesn't count.
func (d *driver) unmount(ctx context.Context, name string, ignoreUsedCount bool) error {
	if err := checkName(name); err != nil {
		return err
	}
	defer d.lock(name)()
	d.mu.Lock()
	d.used[name] = max(d.used[name]-1, 0)
	if ignoreUsedCount {
		d.used[name] = 0
	}
	still := d.used[name]
	d.mu.Unlock()
	if still > 0 {
		return nil
	}
	v, err := d.existing(ctx, name)
	if err != nil {
		return err
	}
	dir := d.mountDir(name)
	some, _, err := d.host.Mounted(dir, "")
	if err != nil {
		return fmt.Errorf("unmounting volume %s: %w", name, err)
	}
	if some {
		if err := d.host.Unmount(dir, false); err != nil {
			return fmt.Errorf("unmounting volume %s: %w", name, err)
		}
	}
	if v.mappedTo(d.sdcID) {
		if err := d.gateway.act(ctx, v.ID, "removeMappedSdc", map[string]string{"sdcId": d.sdcID}); err != nil {
			return fmt.Errorf("detaching volume %s: %w", name, err)
		}
	}
	d.log.Info("volume unmounted", "volume", name)
	return nil
}

func (d *driver) remove(ctx context.Context, name string) error {
	if d.config.NoRemove {
		return errors.New("removing volumes is disabled by the configuration")
	}
	if err := checkName(name); err != nil {
		return err
	}
	defer d.lock(name)()
	v, err := d.existing(ctx, name)
	if err != nil {
		return err
	}
	if len(v.Mapped) > 0 {
		return fmt.Errorf("removing volume %s: it is attached to SDC %s", name, v.Mapped[0].SDC)
	}
	if err := d.gateway.act(ctx, v.ID, "removeVolume", map[string]string{"removeMode": "ONLY_ME"}); err != nil {
		return fmt.Errorf("removing volume %s: %w", name, err)
	}
	return nil
}

// path is where the volume is mounted here, "" when it isn't.
func (d *driver) path(name string) (string, error) {
	some, _, err := d.host.Mounted(d.mountDir(name), "")
	if err != nil || !some {
		return "", err
	}
	return d.dataDir(name), nil
}

func (d *driver) list(ctx context.Context) ([]volume, error) {
	var all, ours []volume
	if err := d.gateway.call(ctx, http.MethodGet, "/types/Volume/instances", nil, &all); err != nil {
		return nil, fmt.Errorf("listing volumes: %w", err)
	}
	for _, v := range all {
		if v.Pool == d.poolID {
			ours = append(ours, v)
		}
	}
	return ours, nil
}
