package mdm

import (
	"context"
	"encoding/json"
	"net"
)

type sdcClients struct{ office *office }

func newSDCClients(o *office) *sdcClients { return &sdcClients{o} }
func (s *sdcClients) changed()            {}

func (n *Node) serveSDC(ctx context.Context, conn net.Conn, decoder *json.Decoder) {}
