package installer

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"scaleio-framework/installer/scaleio"
)

// Glance looks at the few things that change in seconds and that others wait for: whether the gateway that the volume driver uses still accepts
// connections, and whether the MDM of this node has become master or ceased to be (only a master's management port is open). It costs two connections at most; a
// different answer than last time is a reason for a pass, and nothing more.
func (i *Installer) Glance(ctx context.Context, in Input) string {
	gateway, master := true, false
	if addr, ok := i.gatewayInUse.Load().(string); ok && in.Spec.Volumes != nil {
		gateway = i.sys.Network.Listening(ctx, addr)
	}
	if in.Spec.Role.MDM() {
		master = i.sys.Network.Listening(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(scaleio.PortMDMManagement)))
	}
	return fmt.Sprintf("gateway=%t master=%t", gateway, master)
}
