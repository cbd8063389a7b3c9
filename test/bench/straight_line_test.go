//go:build nodes

package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

//go:embed straight-line.sh
var straightLine []byte

// A script brings up the cluster that the product would: what it needs is laid on the nodes beforehand, outside of the time that is measured.
type script struct {
	stand    *cases.Stand
	password string
	managers string // addresses by comma
}

const rexrayConfig = `rexray:
  logLevel: warn
  modules:
    default-docker: {type: docker, host: "unix:///run/docker/plugins/docker.sock", libstorage: {service: scaleio}}
    mesos: {type: docker, host: "unix:///run/docker/plugins/mesos.sock", libstorage: {service: scaleio, integration: {volume: {operations: {unmount: {ignoreUsedCount: true}}}}}}
    rexray: {type: docker, host: "unix:///run/docker/plugins/rexray.sock", libstorage: {service: scaleio}}
libstorage:
  service: scaleio
  server: {services: {scaleio: {driver: scaleio}}}
  integration: {volume: {operations: {mount: {preempt: true}, remove: {disable: false}, create: {default: {size: 16, fsType: xfs}}}}}
scaleio: {endpoint: "https://%s:443/api", insecure: false, useCerts: false, userName: rexray, password: %q, systemID: %q,
  protectionDomainName: pd1, storagePoolName: sp1, thinOrThick: ThinProvisioned, drvCfg: /opt/emc/scaleio/sdc/bin/drv_cfg}
`

func newScript(s *cases.Stand) (*script, error) {
	password, err := os.ReadFile(s.Path("secrets/admin-password"))
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(s.Path("mirror/manifest.json"))
	if err != nil {
		return nil, err
	}
	var manifest struct{ Packages []api.Package }
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return nil, err
	}
	var packages strings.Builder
	for _, p := range manifest.Packages {
		if p.OS == "ubuntu22.04" || p.OS == "" || p.OS == "any" {
			fmt.Fprintln(&packages, p.Component, p.URL, p.SHA256)
		}
	}
	for _, node := range s.Nodes() {
		for path, text := range map[string]string{"/root/straight-line.sh": string(straightLine), "/root/packages": packages.String(),
			"/etc/systemd/system/rexray.service": systemd.RexrayUnitText, "/etc/rexray/rexray.env": "SSL_CERT_FILE=/etc/rexray/gateways.pem\nSSL_CERT_DIR=/nonexistent\nDOCKER_LEGACY=true\n"} {
			if err := node.WriteFile(path, []byte(text), 0o644); err != nil {
				return nil, err
			}
		}
	}
	all := s.Nodes()
	return &script{stand: s, password: string(password), managers: all[0].Address + "," + all[1].Address}, nil
}

func (c *script) phase(ctx context.Context, node *nodes.Node, phase string, env ...string) error {
	role := "tie-breaker"
	if strings.Contains(c.managers+",", node.Address+",") {
		role = "manager"
	}
	argv := append([]string{"env", "ROLE=" + role, "MANAGERS=" + c.managers, "PASSWORD=" + c.password, "NAME=" + node.Name, "ADDRESS=" + node.Address}, env...)
	_, err := node.Output(ctx, append(argv, "bash", "/root/straight-line.sh", phase)...)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", phase, node.Name, err)
	}
	return nil
}

// run it: all nodes side by side, each phase as soon as what the product needs for it is there.
func (c *script) run(ctx context.Context) error {
	all := c.stand.Nodes()
	work, ctx := errgroup.WithContext(ctx)
	mdms, running := make([]chan struct{}, len(all)), make([]chan struct{}, len(all))
	formed := make(chan struct{})
	gateways := make([]chan struct{}, 2)
	for i := range all {
		mdms[i], running[i] = make(chan struct{}), make(chan struct{})
	}
	for i := range gateways {
		gateways[i] = make(chan struct{})
	}
	work.Go(func() error { return c.form(ctx, mdms, formed) })
	work.Go(func() error { // one session of one administrator: SDSs are added one after the other
		for i, node := range all {
			if err := await(ctx, formed, running[i]); err != nil {
				return err
			}
			if err := c.phase(ctx, all[0], "storage", "NAME="+node.Name, "ADDRESS="+node.Address, "DEVICES="+empty(node)); err != nil {
				return err
			}
		}
		return nil
	})
	for i, node := range all {
		work.Go(func() error {
			if err := c.phase(ctx, node, "mdm"); err != nil {
				return err
			}
			close(mdms[i])
			if err := c.phase(ctx, node, "rest"); err != nil {
				return err
			}
			close(running[i])
			if i < len(gateways) {
				if err := await(ctx, formed); err != nil {
					return err
				}
				if err := c.gateway(ctx, node); err != nil {
					return err
				}
				close(gateways[i])
			}
			if err := await(ctx, gateways...); err != nil {
				return err
			}
			return c.volumes(ctx, i)
		})
	}
	return work.Wait()
}

func await(ctx context.Context, all ...chan struct{}) error {
	for _, done := range all {
		select {
		case <-done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// form the cluster of the three, as soon as each has its MDM.
func (c *script) form(ctx context.Context, mdms []chan struct{}, formed chan struct{}) error {
	if err := await(ctx, mdms...); err != nil {
		return err
	}
	var names, addresses []string
	for _, node := range c.stand.Nodes() {
		names, addresses = append(names, node.Name), append(addresses, node.Address)
	}
	err := c.phase(ctx, c.stand.Nodes()[0], "form", "NAMES="+strings.Join(names, " "), "ADDRESSES="+strings.Join(addresses, " "))
	if err == nil {
		close(formed)
	}
	return err
}

func (c *script) gateway(ctx context.Context, node *nodes.Node) error {
	certificates := ""
	for _, manager := range c.stand.Nodes()[:2] {
		pem, err := manager.ReadFile("/opt/emc/scaleio/mdm/cfg/mdm_management_certificate.pem")
		if err != nil {
			return err
		}
		certificates += string(pem) + "|"
	}
	return c.phase(ctx, node, "gateway", "CERTIFICATES="+certificates)
}

// volumes: a manager's driver goes to its own gateway, the others' to the first.
func (c *script) volumes(ctx context.Context, i int) error {
	all := c.stand.Nodes()
	var pems []byte
	for _, manager := range all[:2] {
		pem, err := manager.ReadFile("/root/gateway.pem")
		if err != nil {
			return err
		}
		pems = append(pems, pem...)
	}
	system, err := all[i].Output(ctx, "/opt/emc/scaleio/sdc/bin/drv_cfg", "--query_mdms")
	if err != nil {
		return err
	}
	_, id, ok := strings.Cut(system, "MDM-ID ")
	if !ok {
		return fmt.Errorf("drv_cfg of %s names no system: %s", all[i].Name, system)
	}
	endpoint := all[0]
	if i < 2 {
		endpoint = all[i]
	}
	for path, text := range map[string]string{"/etc/rexray/gateways.pem": string(pems),
		"/etc/rexray/config.yml": fmt.Sprintf(rexrayConfig, endpoint.Address, c.password, strings.ToLower(strings.Fields(id)[0]))} {
		if err := all[i].WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return c.phase(ctx, all[i], "volumes")
}

func empty(node *nodes.Node) string {
	var devices []string
	for _, d := range node.Disks {
		if d.Content == nodes.Empty {
			devices = append(devices, d.Device)
		}
	}
	return strings.Join(devices, " ")
}
