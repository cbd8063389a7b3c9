package installer

import (
	"context"
	"net"
	"slices"
	"strconv"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
)

// An Observation is what a node reports beside its steps' conditions. A part that couldn't be seen is empty: no MDM view means "not known", never "none".
type Observation struct {
	Platform  api.Platform
	Addresses []string
	Disks     []api.Disk
	MDM       *api.MDMView
	Gateway   *api.Gateway
	Intents   []api.Intent
	Orders    []api.OrderState

	DisksUnseen bool // they couldn't be looked at: that isn't the answer "no disks", on which claims would end
}

// Observe looks and changes nothing.
func (i *Installer) Observe(ctx context.Context, in Input) Observation {
	o := &orders{Input: in, Installer: i}
	f := i.sys.Facts
	support := o.support()
	seen := Observation{
		Platform: api.Platform{OS: f.OS, Pretty: f.Pretty, Kernel: f.Kernel, Arch: f.Arch, Supported: support.Client, Reason: support.reported(f),
			ClientOnly: !supportOf(f, false).Storage},
		MDM: o.mdmView(ctx),
	}
	if addrs, err := i.sys.Network.Addresses(); err != nil {
		i.opts.Log.Warn("reading addresses", "err", err)
	} else {
		for _, a := range addrs {
			seen.Addresses = append(seen.Addresses, a.String())
		}
	}
	if disks, err := i.survey.look(ctx, o); err != nil {
		seen.DisksUnseen = true
		i.opts.Log.Warn("looking at disks", "err", err)
	} else {
		for _, d := range disks {
			seen.Disks = append(seen.Disks, d.Disk)
		}
		seen.Orders = o.orderStates(disks)
	}
	var err error
	if seen.Intents, err = Intents(i.sys.Files); err != nil {
		i.opts.Log.Warn("reading intents", "err", err)
	}
	seen.Gateway = o.ownGateway(ctx, seen.Addresses)
	return seen
}

// mdmView asks the node's own MDM. Nil while it gives no answer: that isn't the answer "no cluster", on which a cluster would be formed.
func (o *orders) mdmView(ctx context.Context) *api.MDMView {
	if !exists(o.sys.Files, scaleio.PathMDMConf) {
		return &api.MDMView{}
	}
	certificate := o.mdmCertificate()
	c, err := o.opts.CLI.QueryCluster(ctx, "")
	if raw, is := scaleio.UnknownDialect(err); is {
		return &api.MDMView{Installed: true, Unknown: raw, CertificatePEM: certificate}
	}
	if scaleio.KindOf(err) == scaleio.KindNoCluster {
		return &api.MDMView{Installed: true, CertificatePEM: certificate}
	} else if err != nil {
		o.opts.Log.Debug("asking the local MDM", "err", err)
		return nil
	}
	view := &api.MDMView{Installed: true, InCluster: true, CertificatePEM: certificate, SystemID: o.systemID(ctx, c)}
	if view.SystemID == "" && (clusterJoined{o}).foreign(ctx, c) == nil {
		view.SystemID = o.Spec.SystemID // its SDC can't tell just now, and its master is one of ours
	}
	master, ok := c.Master()
	view.Master = ok && shares(master.IPs, o.ownIPs())
	return view
}

// mdmCertificate is what the local MDM shows on its management port, read where only root writes; "" while there is none.
func (i *Installer) mdmCertificate() string {
	data, err := i.sys.Files.Read(scaleio.PathMDMCertificate)
	if err != nil {
		return ""
	}
	return string(firstCertificate(data))
}

// ownIPs of this node's MDM.
func (o *orders) ownIPs() []string {
	if me, ok := o.self(); ok {
		return me.IPs
	}
	addrs, err := o.sys.Network.Addresses()
	if err != nil {
		return nil
	}
	ips := make([]string, len(addrs))
	for i, a := range addrs {
		ips[i] = a.String()
	}
	return ips
}

// ownGateway is this node's gateway as others reach it, once it answers.
func (o *orders) ownGateway(ctx context.Context, addresses []string) *api.Gateway {
	if o.Spec.Role != api.RoleManager || !exists(o.sys.Files, scaleio.PathGatewayUser) {
		return nil
	}
	pem, err := o.gatewayAnswers(ctx)
	if err != nil {
		o.opts.Log.Debug("asking the local gateway", "err", err)
		return nil
	}
	ips := slices.Concat(o.ownIPs(), addresses)
	if len(ips) == 0 {
		return nil
	}
	return &api.Gateway{Node: o.Spec.Node, Address: net.JoinHostPort(ips[0], strconv.Itoa(scaleio.PortGateway)), CertificatePEM: string(pem)}
}
