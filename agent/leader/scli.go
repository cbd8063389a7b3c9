package leader

import (
	"context"
	"net/http"

	"scaleio-framework/installer/scaleio"
)

// Scli gives the product's scli the shape that the leader needs.
func Scli(cli *scaleio.CLI) CLI { return scli{cli} }

type scli struct{ *scaleio.CLI }

func (s scli) Session(ctx context.Context, as scaleio.Credentials, do func(context.Context, Session) error) error {
	return s.CLI.Session(ctx, as, func(ctx context.Context, session *scaleio.Session) error { return do(ctx, session) })
}

// Local gives the gateway at this endpoint the shape that the leader needs.
func Local(endpoint string, client *http.Client) Gateways { return local{endpoint, client} }

type local struct {
	endpoint string
	client   *http.Client
}

func (l local) Open(systemID string, as scaleio.Credentials) (Gateway, error) {
	return scaleio.NewGatewayClient(l.endpoint, systemID, as)
}

func (l local) LetsIn(ctx context.Context, as scaleio.Credentials) (bool, error) {
	return scaleio.CheckLogin(ctx, l.client, l.endpoint, as)
}
