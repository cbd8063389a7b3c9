package installer

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// GatewayAdmin is what the gateway's own administrator can do on this node.
type GatewayAdmin interface {
	ReachesMDM(ctx context.Context) (bool, error)
	HostCertificate(ctx context.Context, ip string) ([]byte, error)
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
// Only what the chosen managers show is accepted, and of this node's own MDM only what lies in its file.
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

// Apply accepts what can be reached; an MDM that is away now is accepted when the gateway needs it.
func (s mdmsTrusted) Apply(ctx context.Context) error {
	roots, err := s.gatewayAnswers(ctx)
	if err != nil {
		return err
	}
	admin, err := s.opts.GatewayAdmin(roots, s.Secrets.GatewayAdmin)
	if err != nil {
		return err
	}
	var failed []error
	trusted := 0
	for _, ip := range s.managers() {
		if err := s.trust(ctx, admin, ip); err != nil {
			failed = append(failed, err)
			continue
		}
		trusted++
	}
	if trusted == 0 {
		return errors.Join(append(failed, errors.New("trusting the MDMs: none could be"))...)
	}
	return nil
}

func (s mdmsTrusted) trust(ctx context.Context, admin GatewayAdmin, ip string) error {
	shown, err := admin.HostCertificate(ctx, ip)
	if err != nil {
		return err
	}
	if me, ok := s.self(); ok && slices.Contains(me.IPs, ip) {
		if err := s.isOwn(shown); err != nil {
			return err
		}
	}
	return admin.Trust(ctx, shown)
}

// isOwn compares with the file of the local MDM: what root reads on its own disk can't be slipped in by the network.
func (s mdmsTrusted) isOwn(shown []byte) error {
	data, err := s.sys.Files.Read(scaleio.PathMDMCertificate)
	if errors.Is(err, platform.ErrNotFound) {
		return nil // older versions keep it elsewhere
	} else if err != nil {
		return err
	}
	file, _ := pem.Decode(data)
	got, _ := pem.Decode(shown)
	if file == nil || got == nil || !bytes.Equal(file.Bytes, got.Bytes) {
		return fmt.Errorf("trusting the MDM of this node: it shows another certificate than %s", scaleio.PathMDMCertificate)
	}
	return nil
}
