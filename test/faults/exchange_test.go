package faults_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"slices"
	"time"

	"scaleio-framework/agent"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/trust"
)

// exchange a report for an answer, over a network that does with both what it likes.
func (n *node) exchange() {
	sent, b := time.Now(), n.w.heard()
	if n.cert == "" && !n.join() {
		return
	}
	r := n.report()
	arrives := func() (api.Answer, error) {
		if !b.up() {
			return api.Answer{}, errAway
		}
		return b.report(n, r)
	}
	f := n.w.fate(n.name, "report")
	switch {
	case n.deaf || b.Stepped == nil || f == fails || f == lostRequest:
		n.answered(b, api.Answer{}, errAway, sent)
	case b.frozen:
		b.queue = append(b.queue, func() { _, _ = arrives() })
		n.next = time.Now().Add(15 * time.Second)
	case f == late: // on a connection that was given up
		d := n.w.between(time.Second, 40*time.Second)
		n.w.stalled(d)
		n.w.after(d, n.name+": a late report arrives", func() { _, _ = arrives() })
		n.next = time.Now().Add(5 * time.Second)
	case f == lostAnswer:
		_, _ = arrives()
		n.answered(b, api.Answer{}, errLost, sent)
	case f == twice:
		_, _ = arrives()
		a, err := arrives()
		n.answered(b, a, err, sent)
	case f == freezes: // the answer is there, and the process isn't
		a, err := arrives()
		n.w.pause(n)
		n.answered(b, a, err, sent)
	default:
		a, err := arrives()
		n.answered(b, a, err, sent)
	}
}

func (n *node) join() bool {
	b := n.w.brain
	if n.deaf || !b.up() || n.w.fate(n.name, "join") == lostRequest {
		return false
	}
	csr, err := trust.ParseRequest(n.csr)
	must(err)
	a, err := b.Join(n.w.ctx, api.JoinRequest{Token: n.token, Node: n.identity(), CSR: n.csr}, csr)
	n.w.note("%s joins: %v", n.name, b.ended(err))
	if err != nil || n.w.fate(n.name, "join answer") == lostAnswer {
		n.next = time.Now().Add(5 * time.Second)
		return false
	}
	n.cert = a.Certificate
	der, _ := pem.Decode([]byte(n.cert))
	n.shown, err = x509.ParseCertificate(der.Bytes)
	must(err)
	return true
}

func (n *node) identity() api.Identity {
	return api.Identity{ID: n.id, AgentUUID: "uuid-" + n.name, Hostname: n.name}
}

// answered: the answer is followed as far as it may be and can be kept.
func (n *node) answered(b *brain, a api.Answer, err error, sent time.Time) {
	if n.dead {
		return
	}
	if err != nil {
		var no *api.Error
		if errors.As(err, &no) {
			if !n.recall || no.Code != api.CodeRecovering {
				n.w.note("%s is refused: %s", n.name, no.Message)
			}
			n.recall = n.recall || no.Code == api.CodeRecovering
			n.w.person.told(no.Message)
			if no.Code == api.CodeUnauthorized {
				n.join()
			}
		}
		n.next = time.Now().Add(2 * time.Second)
		return
	}
	n.w.mutated(n, &a)
	if g := a.Spec.Gates; n.w.plan.mutant.shuts && len(g) > 3 {
		a.Spec.Gates = g[:1]
	}
	if n.kept.Spec != nil {
		v, have := a.Spec.Version, n.kept.Spec.Version
		if v.Cluster != have.Cluster || v.Before(have) {
			n.w.note("%s refuses an older spec (%d.%d, it has %d.%d)", n.name, v.Epoch, v.Generation, have.Epoch, have.Generation)
			return
		}
	}
	if n.kept.Spec == nil || n.kept.Spec.Version != a.Spec.Version || (n.kept.Hold == nil) != (a.Hold == nil) {
		lasting := a.Spec
		lasting.Cluster, lasting.Formation = nil, nil
		raw, err := json.Marshal(lasting)
		must(err)
		if err := n.machine.Files.MkdirAll("/var/lib/scaleio-agent", 0o700); err != nil {
			return
		}
		if err := n.machine.Files.Write("/var/lib/scaleio-agent/state.json", raw, 0o600); err != nil {
			n.next = time.Now().Add(2 * time.Second)
			return
		}
		n.kept = kept{&lasting, a.Hold}
	}
	spec := a.Spec
	n.spec, n.answer, n.sent, n.recall, n.era = &spec, a, sent, false, b.era
	n.leases.Granted(sent, a.Leases)
	if n.next = time.Now(); !a.Wait {
		n.next = time.Now().Add(min(20*time.Second, time.Duration(a.PollMS)*time.Millisecond))
	}
}

// report what the node is.
func (n *node) report() api.Report {
	in := n.input()
	seen := n.steps.Observe(n.w.ctx, in)
	r := api.Report{Node: n.identity(), Version: in.Spec.Version, Agent: "test", Time: n.clock().Round(0), BootID: n.machine.Facts.BootID,
		Platform: api.Platform{OS: "ubuntu22.04", Kernel: "5.15", Arch: "amd64", Supported: true}, Addresses: []string{n.ip}, Disks: seen.Disks, Intents: seen.Intents,
		Orders: seen.Orders, Seen: n.answer.ETag, Cloud: n.instance.view(), Wants: n.leases.Wants()}
	agent.Intended(n.machine.Files, n.w.log, &r)
	if n.recall {
		r.Recalled = n.recalled()
	}
	role := in.Spec.Role
	well := n.well(role, in.Spec)
	for _, name := range well {
		r.Conditions = append(r.Conditions, api.Condition{Type: name, Status: api.True, Reason: api.ReasonSatisfied, Generation: in.Spec.Version.Generation})
	}
	r.Conditions = append(r.Conditions, n.conds...)
	r.Ready = role != api.RoleUndecided && contains(well, "run-volume-driver")
	for _, c := range n.conds {
		if r.Ready = r.Ready && c.Status == api.True; c.Status != api.True && r.Step == "" {
			r.Step = c.Type
		}
	}
	if role.MDM() {
		r.MDM = n.w.storage.mdm(n)
		if r.MDM.Master {
			r.Wants = append(r.Wants, api.LeaseLeader)
		}
	}
	if role == api.RoleManager && n.has("gateway") {
		r.Gateway = &api.Gateway{Node: n.id, Address: n.ip + ":443", CertificatePEM: "certificate of " + n.name}
	}
	if n.view != nil && n.leads() {
		view := *n.view
		view.AgeMS = time.Since(n.viewAt).Milliseconds()
		if !n.listed.IsZero() {
			view.Owned = &api.OwnedVolumes{Volumes: n.owned, AgeMS: time.Since(n.listed).Milliseconds()}
		}
		if n.w.plan.mutant.rosy {
			rosy(&view)
		}
		r.Cluster = &view
	}
	return r
}

// recalled is what the node tells a scheduler that lost its store: the last orders that it accepted, as this process has them.
func (n *node) recalled() *api.Recalled {
	r := &api.Recalled{Hold: n.kept.Hold}
	spec := n.spec
	if spec == nil {
		spec = n.kept.Spec
	}
	if spec != nil {
		raw, err := json.Marshal(spec)
		must(err)
		r.Spec = &api.NodeSpec{}
		must(json.Unmarshal(raw, r.Spec))
		r.Spec.Packages, r.Spec.Modules, r.Spec.Cluster = nil, nil, nil
		if n.w.plan.mutant.amnesia {
			r.Spec.Recall = nil
		}
		if m := r.Spec.MDMs; n.w.plan.mutant.reseated && len(m) > 0 {
			m[0].Role, m[len(m)-1].Role = m[len(m)-1].Role, m[0].Role
		}
	}
	return r
}

// well: the steps that this world takes as done after a while.
func (n *node) well(role api.Role, spec api.NodeSpec) (steps []string) {
	if role != api.RoleUndecided && n.install("sds", n.w.plan.install) {
		if steps = append(steps, "run-sds", "connect-sdc"); !n.follows("serve-storage") {
			steps = append(steps, "serve-storage")
		}
	}
	if role.MDM() && slices.Contains(spec.Gates, api.GateRolesDecided) && n.install("mdm", n.w.plan.install) && !n.mdmDown {
		steps = append(steps, "run-mdm")
	}
	if role == api.RoleManager && slices.Contains(spec.Gates, api.GateClusterFormed) && n.install("gateway", n.w.plan.install) && !n.gatewayDown {
		steps = append(steps, "install-gateway", "trust-mdms")
	}
	if slices.Contains(spec.Gates, api.GateGatewayReady) && n.has("sds") {
		steps = append(steps, "run-volume-driver")
	}
	return steps
}
