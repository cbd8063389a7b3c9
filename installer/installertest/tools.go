package installertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
)

// scli answers what the node's own MDM can be asked without a login.
func (n *Node) scli(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
	if !n.up(scaleio.UnitMDM) {
		return platform.Output{}, platformtest.Exit(cmd.Path, 1, "Error: Failed to connect to MDM 127.0.0.1:6611\n")
	}
	args := strings.Join(cmd.Args, " ")
	switch {
	case slices.Contains(cmd.Args, "--query_cluster"):
		_, members := n.Product.state()
		if !slices.ContainsFunc(members, func(m Member) bool { return slices.Contains(m.IPs, n.IP) }) {
			return platform.Output{}, platformtest.Exit(cmd.Path, 7, "Error: MDM failed command.  Status: The MDM cluster state is incorrect\n")
		}
		return say(queryCluster(members))
	case slices.Contains(cmd.Args, "--create_mdm_cluster") && slices.Contains(cmd.Args, "--accept_license"):
		if !n.Product.create(Member{Name: option(cmd.Args, "--master_mdm_name"), IPs: strings.Split(option(cmd.Args, "--master_mdm_ip"), ","), Place: "master", Manager: true, Status: "Normal"}) {
			return platform.Output{}, platformtest.Exit(cmd.Path, 7, "Error: MDM failed command.  Status: The Master MDM is already configured\n")
		}
		return say("Successfully created the MDM Cluster\n")
	}
	return platform.Output{}, platformtest.Exit(cmd.Path, 1, "Error: Wrong command parameters: "+args+"\n")
}

func option(args []string, name string) string {
	if i := slices.Index(args, name); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

func say(text string) (platform.Output, error) { return platform.Output{Stdout: []byte(text)}, nil }

// drvCfg works only while the driver is loaded.
func (n *Node) drvCfg(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
	if _, loaded := n.file(scaleio.PathScini); !loaded {
		return platform.Output{}, platformtest.Exit(cmd.Path, 1, "Failed to open kernel device to perform operation\n")
	}
	switch cmd.Args[0] {
	case "--query_guid":
		n.mu.Lock()
		defer n.mu.Unlock()
		return say(n.guid + "\n")
	case "--query_mdms":
		return say(n.queryMDMs())
	case "--add_mdm":
		n.point("", option(cmd.Args, "--ip"), option(cmd.Args, "--file"))
		return say("Successfully added mdm\n")
	case "--mod_mdm_ip":
		n.point(option(cmd.Args, "--ip"), option(cmd.Args, "--new_mdm_ip"), option(cmd.Args, "--file"))
		return say("Successfully modified mdm\n")
	}
	return platform.Output{}, platformtest.Exit(cmd.Path, 1, "Usage: drv_cfg\n")
}

func (n *Node) queryMDMs() string {
	id, members := n.Product.state()
	n.mu.Lock()
	defer n.mu.Unlock()
	text := fmt.Sprintf("Retrieved %d mdm(s)\n", len(n.sdc))
	for i, ips := range n.sdc {
		system, sdc := "0000000000000000", "0000000000000000"
		for _, m := range members {
			if slices.ContainsFunc(m.IPs, func(ip string) bool { return slices.Contains(ips, ip) }) {
				system, sdc = id, fmt.Sprintf("6b18479c%08x", i)
			}
		}
		text += fmt.Sprintf("MDM-ID %s SDC ID %s INSTALLATION ID 0000000000000000 IPs", system, sdc)
		for j, ip := range ips {
			text += fmt.Sprintf(" [%d]-%s", j, ip)
		}
		text += "\n"
	}
	return text
}

// point the driver at a system, and with a file also for the next boot.
func (n *Node) point(old, ips, file string) {
	list := strings.Split(ips, ",")
	n.mu.Lock()
	at := slices.IndexFunc(n.sdc, func(known []string) bool { return slices.Contains(known, old) })
	if at < 0 {
		n.sdc = append(n.sdc, list)
	} else {
		n.sdc[at] = list
	}
	systems := slices.Clone(n.sdc)
	n.mu.Unlock()
	text, ok := n.file(file)
	if !ok {
		return
	}
	guid, _, _ := strings.Cut(text, "\n")
	for _, s := range systems {
		guid += "\nmdm " + strings.Join(s, ",")
	}
	n.Files.Set(file, guid+"\n", 0o600)
}

// openssl s_client shows the certificate of the gateway.
func (n *Node) openssl(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
	n.mu.Lock()
	out := n.gatewayOut
	n.mu.Unlock()
	if out || !n.up(scaleio.UnitGateway) {
		return platform.Output{}, platformtest.Exit(cmd.Path, 1, "connect:errno=111\n")
	}
	return say("CONNECTED(00000003)\n---\nCertificate chain\n---\nServer certificate\n" + n.Certificate() + "subject=CN = gateway\n")
}

// systemctl show, for what the units' interface doesn't carry.
func (n *Node) systemctl(_ context.Context, cmd platform.Cmd) (platform.Output, error) {
	if n.Mesos == nil || len(cmd.Args) != 3 || cmd.Args[0] != "show" {
		return platform.Output{}, platformtest.Exit(cmd.Path, 1, "")
	}
	return say("KillMode=" + n.Mesos.KillMode + "\n")
}

var (
	certificatesMu sync.Mutex
	certificates   = map[string]string{}
)

// certificate of a "gateway" or an "mdm" at an address: a real one, it is parsed on the way.
func certificate(of, ip string) string {
	certificatesMu.Lock()
	defer certificatesMu.Unlock()
	if c, ok := certificates[of+ip]; ok {
		return c
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(ip), net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	certificates[of+ip] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return certificates[of+ip]
}
