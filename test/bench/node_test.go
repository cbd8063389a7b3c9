package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

// A node of the fleet. One goroutine at a time speaks for it.
type node struct {
	number int
	fleet  *fleet
	env    map[string]string // of its task
	key    *ecdsa.PrivateKey
	agent  *client.Agent
	answer api.Answer
}

func newNode(f *fleet, number int) *node {
	return &node{number: number, fleet: f, env: map[string]string{}}
}

func (n *node) id() string { return fmt.Sprintf("i-%017x", n.number+1) }

func (n *node) identity() api.Identity {
	return api.Identity{ID: n.id(), AgentUUID: fmt.Sprintf("6f1c2d3e-0000-4000-8000-%012x", n.number), SDSID: n.sdsID(), Hostname: host(n.number)}
}

func (n *node) sdsID() string { return fmt.Sprintf("7a10%012x", n.number) }

func (n *node) client(certificates ...tls.Certificate) (*client.Agent, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(n.env[api.EnvCA]))
	o := client.Options{Servers: strings.Split(n.env[api.EnvServers], ","), Cluster: n.env[api.EnvCluster], CA: pool}
	if len(certificates) > 0 {
		o.Certificate = &certificates[0]
	}
	return client.NewAgent(o)
}

// join the cluster by the task's token.
func (n *node) join() (err error) {
	if n.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, n.key)
	if err != nil {
		return err
	}
	anonymous, err := n.client()
	if err != nil {
		return err
	}
	defer anonymous.Close()
	answer, err := anonymous.Join(context.Background(), api.JoinRequest{Token: n.env[api.EnvToken], Node: n.identity(),
		CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))})
	if err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(answer.Certificate))
	n.agent, err = n.client(tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: n.key})
	return err
}

func (n *node) has(gate api.Gate) bool { return slices.Contains(n.answer.Spec.Gates, gate) }

// pause until the next report.
func (n *node) pause() time.Duration {
	if n.leads() {
		return api.LeaderLeaseTTL / 5
	}
	return time.Duration(n.answer.PollMS) * time.Millisecond
}

func (n *node) leads() bool {
	return slices.ContainsFunc(n.answer.Leases, func(l api.Lease) bool { return l.Name == api.LeaseLeader })
}

// report how it is. It holds no request open: at rest nothing waits for it.
func (n *node) report() error {
	spec := n.answer.Spec
	r := api.Report{
		Node: n.identity(), Version: spec.Version, Agent: "1.0.0", Time: time.Now(), BootID: "3f0b7a52-8a51-4a0e-9a3e-2f1d5c6b7a80", Seen: n.answer.ETag,
		Platform:  api.Platform{OS: "ubuntu22.04", Pretty: "Ubuntu 22.04.4 LTS", Kernel: "5.15.0-1051-aws", Arch: "x86_64", Supported: true},
		Addresses: []string{address(n.number)}, Disks: n.disks(), Conditions: n.conditions(), Ready: true,
	}
	if spec.Role.MDM() {
		n.fleet.mu.Lock()
		if n.fleet.master == nil && spec.Formation != nil && spec.Formation.Node == n.id() && !n.answer.Secrets.Admin.Empty() {
			n.fleet.master = n
		}
		master := n.fleet.master == n
		formed := master || n.fleet.led
		n.fleet.mu.Unlock()
		r.MDM = &api.MDMView{Installed: true, InCluster: formed, Master: master}
		if formed {
			r.MDM.SystemID = systemID
		}
		if formed && spec.Role == api.RoleManager {
			r.Gateway = &api.Gateway{Address: address(n.number) + ":443", CertificatePEM: "certificate of " + n.id()}
		}
		if master {
			r.Wants = []api.LeaseName{api.LeaseLeader}
		}
	}
	if n.leads() && spec.Cluster != nil {
		n.fleet.mu.Lock()
		n.fleet.led = true
		n.fleet.mu.Unlock()
		r.Cluster = n.view(spec.Cluster)
	}
	answer, err := n.agent.Report(context.Background(), r)
	n.agent.Close() // the scheduler takes 512 connections of an address, and all nodes are on this one
	if err == nil {
		n.answer = answer
	}
	return err
}

// conditions of a node with nothing to do, as they read in the field.
func (n *node) conditions() (all []api.Condition) {
	for _, c := range []struct{ step, message string }{
		{"accept-platform", "Ubuntu 22.04.4 LTS on x86_64 is supported"}, {"check-node", "room, memory, clock and names are as they have to be"},
		{"fetch-packages", "5 packages are here, with the manifest's digests"}, {"check-peers", "the ports between the MDMs' nodes are open"},
		{"install-prerequisites", "libaio1 numactl openssl e2fsprogs xfsprogs installed"}, {"install-mdm", "emc-scaleio-mdm 3.6-700.103 installed"}, {"run-mdm", "mdm.service runs"},
		{"install-sds", "emc-scaleio-sds 3.6-700.103 installed"}, {"run-sds", "sds.service runs"}, {"own-sdc-guid", "the SDC's GUID is this machine's own"},
		{"provide-scini-module", "there is a module for 5.15.0-1051-aws"}, {"install-sdc", "emc-scaleio-sdc 3.6-700.103 installed"}, {"load-scini", "scini is loaded"},
		{"connect-sdc", "connected to system " + systemID}, {"form-cluster", "the MDM here is in a cluster"}, {"trust-mdms", "the gateway speaks to the MDMs"},
		{"hand-over-disks", "4 disks are in the pool"}, {"serve-storage", "the SDS is Connected with 4 devices"}, {"install-volume-driver", "rexray and dvdcli are in /usr/bin"},
		{"configure-volume-driver", "/etc/rexray/config.yml leads to " + address(0)}, {"run-volume-driver", "rexray.service runs"}, {"configure-isolator", "docker/volume is among the isolators"},
		{"restart-mesos-agent", "the Mesos agent runs with the isolator"}, {"upgrade-sds", "as the manifest says"}, {"upgrade-sdc", "as the manifest says"}, {"reboot-node", "no reboot is needed"},
	} {
		if c.step == "form-cluster" && n.answer.Spec.Formation == nil {
			continue // its grant alone makes it a step of this node
		}
		all = append(all, api.Condition{Type: c.step, Status: api.True, Reason: api.ReasonSatisfied, Message: c.message, Since: time.Unix(1_700_000_000, 0).UTC(), Generation: n.answer.Spec.Version.Generation})
	}
	return all
}

func (n *node) disks() (all []api.Disk) {
	for i := range 4 {
		volume := fmt.Sprintf("vol-%016x%d", n.number+1, i)
		d := api.Disk{ID: volume, Path: fmt.Sprintf("/dev/nvme%dn1", i+1), Link: "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_" + strings.Replace(volume, "-", "", 1),
			SizeBytes: 500 << 30, Model: "Amazon Elastic Block Store", State: api.DiskOffered}
		if n.has(api.GatePoolReady) && n.number < mostSDSs {
			d.State, d.DeviceID = api.DiskAdopted, n.deviceID(i)
		}
		all = append(all, d)
	}
	return all
}

func (n *node) deviceID(i int) string { return fmt.Sprintf("5d%x%013x", i, n.number) }

// view of the whole cluster, as its leader has it: as many SDSs as the product takes.
func (n *node) view(want *api.ClusterSpec) *api.ClusterView {
	v := &api.ClusterView{
		SystemID: systemID, SystemName: "scaleio", Mode: "3_node", State: "Normal", Master: n.answer.Spec.Name, FaultSets: want.FaultSets,
		PoolReady: want.StoragePool != "" && len(want.Gateways) == 2, Pool: &api.PoolView{ID: "8a2b3c4d00000000", SparePercent: want.SparePercent},
	}
	for _, m := range n.answer.Spec.MDMs {
		role := "slave"
		if m.Node == n.id() {
			role = "master"
		} else if m.Role == api.RoleTieBreaker {
			role = "tie-breaker"
		}
		v.Members = append(v.Members, api.MDMMember{Name: m.Name, ID: "3c4d5e6f00000000", Role: role, IPs: m.IPs, Status: "Normal"})
	}
	for i, w := range want.SDSs {
		if i == mostSDSs {
			break
		}
		sds := api.SDSView{ID: fmt.Sprintf("7a10%012x", i), Name: w.Name, IPs: w.IPs, FaultSet: w.FaultSet, Connection: "Connected", Membership: "Joined"}
		for _, d := range want.Disks {
			if d.SDSName == w.Name {
				sds.Devices = append(sds.Devices, api.DeviceView{ID: "5d00000000000000", Name: d.Disk, Path: d.Path, SizeBytes: d.SizeBytes, State: "Normal"})
			}
		}
		v.SDSs = append(v.SDSs, sds)
		v.SDCs = append(v.SDCs, api.SDCView{ID: fmt.Sprintf("2b10%012x", i), GUID: fmt.Sprintf("9E0B7A52-8A51-4A0E-9A3E-%012X", i), IP: w.IPs[0], Connected: true})
	}
	return v
}
