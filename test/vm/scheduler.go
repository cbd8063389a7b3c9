package vm

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/server"
	"scaleio-framework/scheduler/trust"
)

// Scheduler is the product's port with its certificates and tokens, over TLS as on any node. What lies behind it is the test: one node
// alone forms no cluster, so the test says what that node should be.
type Scheduler struct {
	server.Cluster // nothing of people's routes is used here

	ID     string
	Server *server.Server
	// Settings are more lines of the agent's configuration.
	Settings string
	token    string
	port     int

	mu      sync.Mutex
	spec    api.NodeSpec
	leases  []api.LeaseName // granted to whoever wants them
	held    []api.LeaseName // until their holder is Ready and wants them no more, as with the product's scheduler
	report  *api.Report     // the last one
	reports int
	changed chan struct{} // closed at the next report
}

// NewScheduler serves on the host's loopback until ctx ends.
func NewScheduler(ctx context.Context, spec api.NodeSpec, log *slog.Logger) (*Scheduler, error) {
	record, err := trust.NewRecord(uuid.NewString(), time.Now())
	if err != nil {
		return nil, err
	}
	authority, err := record.Open()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening the scheduler's port: %w", err)
	}
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	s := &Scheduler{ID: record.Cluster, token: hex.EncodeToString(raw), port: listener.Addr().(*net.TCPAddr).Port, spec: spec, changed: make(chan struct{})}
	s.spec.Version = api.Version{Cluster: s.ID, Epoch: 1, Generation: 1}
	s.Server = &server.Server{Cluster: s, Authority: func() *trust.Authority { return authority }, People: trust.NewPeople("", ""), Artifacts: map[string]string{}, Log: log}
	go func() {
		if err := s.Server.Serve(ctx, listener); err != nil && ctx.Err() == nil {
			log.Error("the scheduler's port is closed", "err", err)
		}
	}()
	return s, nil
}

// URL of the port as the machine sees it.
func (s *Scheduler) URL() string {
	return "https://" + net.JoinHostPort(hostAddress, strconv.Itoa(s.port))
}

// CA is what `place` or an Ignition file would bring.
func (s *Scheduler) CA() string { return s.Server.Authority().PEM() }

// Token to join with.
func (s *Scheduler) Token() string { return s.token }

// Offer puts a file among what nodes may fetch, and says what a manifest would of it.
func (s *Scheduler) Offer(p api.Package, file string) (api.Package, error) {
	sum, size, err := digestOf(file)
	if err != nil {
		return p, err
	}
	s.Server.Artifacts[sum] = file // before the first node comes
	p.URL, p.Size, p.SHA256 = api.PathArtifacts+"/"+sum, size, sum
	return p, nil
}

// Change the spec; the node gets it with its next report.
func (s *Scheduler) Change(edit func(*api.NodeSpec)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(&s.spec)
	s.spec.Version.Generation++
}

// Grant a lease to whoever wants it.
func (s *Scheduler) Grant(names ...api.LeaseName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases = names
}

// Join certifies whoever has the token.
func (s *Scheduler) Join(_ context.Context, r api.JoinRequest, csr *x509.CertificateRequest) (api.JoinAnswer, error) {
	if !trust.Same(r.Token, s.token) {
		return api.JoinAnswer{}, api.Errorf(api.CodeUnauthorized, "join token isn't known")
	}
	return s.certify(r.Node.ID, csr)
}

// Renew certifies a node again.
func (s *Scheduler) Renew(_ context.Context, c server.Caller, csr *x509.CertificateRequest) (api.JoinAnswer, error) {
	return s.certify(c.Node, csr)
}

func (s *Scheduler) certify(node string, csr *x509.CertificateRequest) (api.JoinAnswer, error) {
	certificate, err := s.Server.Authority().Node(node, csr, time.Now())
	if err != nil {
		return api.JoinAnswer{}, err
	}
	return api.JoinAnswer{Cluster: s.ID, Certificate: certificate, CA: s.CA(), Servers: []string{s.URL()}}, nil
}

// Known trusts every certificate of the authority.
func (s *Scheduler) Known(server.Caller) error { return nil }

// pollEvery is how often the node reports where nothing changes.
const pollEvery = 2 * time.Second

// Report answers with the spec, and tells those who wait.
func (s *Scheduler) Report(_ context.Context, c server.Caller, r api.Report) (api.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report = &r
	s.reports++
	close(s.changed)
	s.changed = make(chan struct{})
	spec := s.spec
	spec.Node = c.Node
	answer := api.Answer{Spec: spec, PollMS: pollEvery.Milliseconds(), ETag: fmt.Sprint(spec.Version.Generation, s.leases)}
	for _, name := range s.leases {
		wanted, held := slices.Contains(r.Wants, name), slices.Contains(s.held, name)
		switch {
		case wanted && !held:
			s.held = append(s.held, name)
		case held && !wanted && r.Ready:
			s.held = slices.DeleteFunc(s.held, func(l api.LeaseName) bool { return l == name })
			continue
		case !wanted && !held:
			continue
		}
		answer.Leases = append(answer.Leases, api.Lease{Name: name})
	}
	return answer, nil
}

// Await a report that fits. Only those that came after the call count, and of conditions only those made for the present spec.
func (s *Scheduler) Await(ctx context.Context, limit time.Duration, what string, fits func(api.Report) bool) (api.Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	for first := true; ; first = false {
		s.mu.Lock()
		report, generation, changed := s.report, s.spec.Version.Generation, s.changed
		s.mu.Unlock()
		if !first && report != nil && report.Version.Generation == generation && fits(*report) {
			return *report, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			err := fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
			if report == nil {
				return api.Report{}, fmt.Errorf("%w; no report came at all", err)
			}
			return *report, fmt.Errorf("%w; the last report says:\n%s", err, Unmet(*report))
		}
	}
}

// Unmet lists the conditions of a report that don't hold.
func Unmet(r api.Report) string {
	text := ""
	for _, c := range r.Conditions {
		if c.Status != api.True || c.Type[0] < 'a' { // those that aren't steps are there while something is wrong
			text += fmt.Sprintf("  %s %s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
	}
	return text
}

// Condition of a report; the zero one if it has none of this type.
func Condition(r api.Report, name string) api.Condition {
	for _, c := range r.Conditions {
		if c.Type == name {
			return c
		}
	}
	return api.Condition{}
}

// LayAgent puts the agent below dir as `place` or an Ignition file would put it on a machine: binary, unit, configuration, CA and token.
func (s *Scheduler) LayAgent(dir, binary, unit string) error {
	const home = "opt/scaleio-agent/bin/placed"
	files := []struct {
		path string
		data []byte
		mode os.FileMode
	}{
		{"etc/systemd/system/scaleio-agent.service", []byte(unit), 0o644},
		{"etc/scaleio-agent/agent.yaml", []byte("cluster: " + s.ID + "\nservers:\n  - " + s.URL() + "\n" + s.Settings), 0o644},
		{"etc/scaleio-agent/ca.pem", []byte(s.CA()), 0o644},
		{"etc/scaleio-agent/join-token", []byte(s.token + "\n"), 0o600},
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("laying out the agent: %w", err)
	}
	files = append(files, struct {
		path string
		data []byte
		mode os.FileMode
	}{home + "/scaleio-agent", program, 0o755})
	for _, f := range files {
		if err := put(filepath.Join(dir, f.path), f.data, f.mode); err != nil {
			return err
		}
	}
	wants := filepath.Join(dir, "etc/systemd/system/multi-user.target.wants")
	return errors.Join(os.MkdirAll(wants, 0o755), os.Symlink("../scaleio-agent.service", filepath.Join(wants, "scaleio-agent.service")),
		os.Symlink("/"+home, filepath.Join(dir, "opt/scaleio-agent/current")))
}
