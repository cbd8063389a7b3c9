package installer

import (
	"context"
	"fmt"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// gatewayInstalled is the fact that the REST gateway is installed. Its ports have to be free before, its password has to be known.
type gatewayInstalled struct {
	installPackage
	network  Network
	password api.Secret
}

func installGateway(o *orders) step.Step {
	return gatewayInstalled{newInstallPackage(o, scaleio.Gateway), o.sys.Network, o.Secrets.GatewayAdmin}
}

func (s gatewayInstalled) Check(ctx context.Context) (step.Finding, error) {
	finding, err := s.installPackage.Check(ctx)
	if err != nil || finding.Verdict != step.Needed {
		return finding, err
	}
	for _, port := range []int{80, scaleio.PortGateway} {
		if finding.Reason == "NotInstalled" && s.network.Listening(ctx, fmt.Sprintf("127.0.0.1:%d", port)) {
			return step.Block("PortTaken", "port %d is taken by another program: the gateway needs 80 and %d; free it or pin the MDM managers to other nodes", port, scaleio.PortGateway), nil
		}
	}
	if s.password.Empty() {
		return step.Wait("WaitingForSecret", "the scheduler has yet to send the gateway's password; then: %s", finding.Message), nil
	}
	return finding, nil
}

func (s gatewayInstalled) Apply(ctx context.Context) error {
	if s.password.Empty() {
		return fmt.Errorf("installing %s: no password for it yet", s.component)
	}
	return s.installPackage.Apply(ctx)
}
