package installertest

import (
	"context"
	"errors"

	"scaleio-framework/installer"
	"scaleio-framework/scheduler/api"
)

// gatewayAdmin is the gateway's own administrator on a node.
type gatewayAdmin struct {
	node     *Node
	password api.Secret
}

// GatewayAdmin reaches the node's gateway with the certificate that it shows.
func (n *Node) GatewayAdmin(roots []byte, password api.Secret) (installer.GatewayAdmin, error) {
	if string(roots) != n.Certificate() {
		return nil, errors.New("x509: certificate signed by unknown authority")
	}
	return gatewayAdmin{n, password}, nil
}

// Trusted tells whether the gateway trusts the MDM at an address.
func (n *Node) Trusted(ip string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.trusted[certificate("mdm", ip)]
}

func (g gatewayAdmin) ReachesMDM(context.Context) (reaches bool, err error) {
	err = g.node.Cutter.Do("gateway-reaches-mdm", func() error {
		_, members := g.node.Product.state()
		for _, m := range members {
			if m.Place == "master" && g.node.Trusted(m.IPs[0]) {
				reaches = true
			}
		}
		return nil
	})
	return reaches, err
}

func (g gatewayAdmin) Trust(_ context.Context, shown []byte) error {
	return g.node.Cutter.Do("gateway-trust", func() error {
		if err := g.login(); err != nil {
			return err
		}
		g.node.mu.Lock()
		defer g.node.mu.Unlock()
		g.node.trusted[string(shown)] = true
		return nil
	})
}

// login with the password that the package's script was given.
func (g gatewayAdmin) login() error {
	if g.password.Empty() || g.password.Reveal() != g.node.InstalledWith("gateway")["GATEWAY_ADMIN_PASSWORD"] {
		return errors.New("unauthorized")
	}
	return nil
}
