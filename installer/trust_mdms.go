package installer

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// GatewayAdmin is what the gateway's own administrator can do on this node.
type GatewayAdmin interface {
	ReachesMDM(ctx context.Context) (bool, error)
	Trust(ctx context.Context, certificate []byte) error
}

type loopbackGateway struct{ scaleio.GatewayAdmin }

func localGatewayAdmin(roots []byte, password api.Secret) (GatewayAdmin, error) {
	transport, err := pinnedTransport(roots)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport, Timeout: scaleio.CallTimeout}
	return loopbackGateway{scaleio.GatewayAdmin{Client: client, Endpoint: "https://127.0.0.1:" + strconv.Itoa(scaleio.PortGateway), Password: password}}, nil
}

// ReachesMDM needs no password.
func (g loopbackGateway) ReachesMDM(ctx context.Context) (bool, error) {
	return scaleio.ReachesMDM(ctx, g.Client, g.Endpoint)
}

// mdmsTrusted is the fact that the gateway speaks to the MDMs: with the certificate check on, it does so only after its administrator accepted theirs.
// Accepted is what each manager read from its own disk, never what the network shows.
type mdmsTrusted struct{ *orders }

func trustMDMs(o *orders) step.Step { return mdmsTrusted{o} }

func (mdmsTrusted) Name() string { return "trust-mdms" }

// reachTTL is how long a gateway that found an MDM isn't asked again: the question is a login that fails.
const reachTTL = 10 * time.Minute

func (s mdmsTrusted) Check(ctx context.Context) (step.Finding, error) {
	roots, err := s.gatewayAnswers(ctx)
	if err != nil {
		return step.Wait("NoGateway", "the gateway doesn't answer: %v", err), nil
	}
	if s.own.reachedWithin(s.sys.Clock(), reachTTL) {
		return step.OK("the gateway speaks to the MDMs"), nil
	}
	admin, err := s.opts.GatewayAdmin(roots, s.Secrets.GatewayAdmin)
	if err != nil {
		return step.Finding{}, err
	}
	reaches, err := admin.ReachesMDM(ctx)
	if err != nil {
		return step.Finding{}, err
	}
	if reaches {
		s.own.reach(s.sys.Clock())
		return step.OK("the gateway speaks to the MDMs"), nil
	}
	if c, err := s.opts.CLI.QueryCluster(ctx, ""); err != nil {
		return step.Wait("NoMDM", "the gateway finds no MDM, and neither does this node: %v", err), nil
	} else if master, ok := c.Master(); !ok || master.Status != "" && master.Status != "Normal" {
		return step.Wait("NoMDM", "the gateway finds no MDM, the cluster has no master just now"), nil
	}
	if len(s.pinned()) == 0 {
		return step.Wait("NoCertificate", "the gateway trusts no MDM yet; no manager has reported its MDM's certificate (%s) so far", scaleio.PathMDMCertificate), nil
	}
	if s.Secrets.GatewayAdmin.Empty() {
		return step.Wait("WaitingForSecret", "the gateway trusts no MDM yet; the scheduler has yet to send its administrator's password"), nil
	}
	return step.Need("NotTrusted", "the gateway speaks to no MDM: it trusts none of %v", s.managers()), nil
}

func (g *gatewayIdentity) reachedWithin(now time.Time, ttl time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.reached.IsZero() && now.Sub(g.reached) < ttl
}

func (g *gatewayIdentity) reach(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reached = now
}

// pinned certificates of the managers' MDMs, as each was read from its file on its own node.
func (s mdmsTrusted) pinned() [][]byte {
	var all [][]byte
	for _, m := range s.Spec.MDMs {
		if m.Role == api.RoleManager && m.CertificatePEM != "" {
			all = append(all, []byte(m.CertificatePEM))
		}
	}
	return all
}

func (s mdmsTrusted) Apply(ctx context.Context) error {
	roots, err := s.gatewayAnswers(ctx)
	if err != nil {
		return err
	}
	admin, err := s.opts.GatewayAdmin(roots, s.Secrets.GatewayAdmin)
	if err != nil {
		return err
	}
	for _, certificate := range s.pinned() {
		if err := admin.Trust(ctx, certificate); err != nil {
			return err
		}
	}
	return nil
}
