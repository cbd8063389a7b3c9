package installer

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
)

// runGateway waits for the REST interface. A Tomcat takes its time to start.
func runGateway(o *orders) step.Step {
	return newRunUnit(o, "run-gateway", scaleio.UnitGateway, 3*time.Minute, func(ctx context.Context) error {
		_, err := o.gatewayAnswers(ctx)
		return err
	})
}

// gatewayIdentity is the certificate that the gateway of this node showed, kept while the same process runs.
type gatewayIdentity struct {
	mu    sync.Mutex
	pid   int
	since time.Time
	pem   []byte

	reached time.Time // when it was seen last that this process finds an MDM that it trusts
}

// gatewayAnswers asks the node's own gateway for its version over TLS and gives the certificate that it showed. Port 443 needs root, so what answers
// there on loopback is the gateway: read locally, the certificate can be pinned by everybody else.
func (i *Installer) gatewayAnswers(ctx context.Context) ([]byte, error) {
	state, err := i.sys.Units.State(ctx, scaleio.UnitGateway)
	if err != nil {
		return nil, err
	}
	if state.Active != "active" {
		return nil, fmt.Errorf("%s is %s", scaleio.UnitGateway, state.Active)
	}
	i.own.mu.Lock()
	defer i.own.mu.Unlock()
	if i.own.pem == nil || i.own.pid != state.MainPID || !i.own.since.Equal(state.ActiveSince) {
		i.own.pem = nil
		shown, err := i.gatewayCertificate(ctx)
		if err != nil {
			return nil, err
		}
		i.own.pem, i.own.pid, i.own.since, i.own.reached = shown, state.MainPID, state.ActiveSince, time.Time{}
	}
	_, err = i.opts.Ask(ctx, Question{URL: "https://127.0.0.1:" + strconv.Itoa(scaleio.PortGateway) + "/api/version", Roots: i.own.pem})
	if err != nil {
		shown := i.own.pem
		i.own.pem = nil // it may have a new one
		var host x509.HostnameError
		if errors.As(err, &host) {
			return shown, fmt.Errorf("its certificate isn't made for 127.0.0.1, so no client can check it: give the gateway one for 127.0.0.1 and the node's addresses: %w", err)
		}
		return nil, err
	}
	return i.own.pem, nil
}

func (i *Installer) gatewayCertificate(ctx context.Context) ([]byte, error) {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(scaleio.PortGateway))
	out, err := i.sys.Commands.Run(ctx, platform.Cmd{Path: "/usr/bin/openssl", Args: []string{"s_client", "-connect", addr}, Timeout: askTimeout})
	if err != nil {
		return nil, fmt.Errorf("reading the gateway's certificate: %w", err)
	}
	shown := firstCertificate(out.Stdout)
	if shown == nil {
		return nil, errors.New("reading the gateway's certificate: openssl shows none")
	}
	return shown, nil
}

// firstCertificate of a text, without anything else that is in it, such as a key; nil if there is none.
func firstCertificate(text []byte) []byte {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil
		}
		if block.Type == "CERTIFICATE" {
			return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
		}
	}
}
