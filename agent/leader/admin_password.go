package leader

import (
	"context"
	"fmt"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// adminPassword: the admin's password is the operator's. A new cluster has the default one, and refuses most commands until it is changed.
type adminPassword struct {
	lead *Leader
	in   Input
}

func (s *adminPassword) Name() string { return StepAdminPassword }

// Check logs in, with the wanted password first.
func (s *adminPassword) Check(ctx context.Context) (step.Finding, error) {
	if _, err := s.lead.asMaster(ctx, s.in); err != nil {
		return verdict(err)
	}
	as := s.in.admin()
	if s.lead.isTrusted(as) {
		return step.OK("the admin's password is the wanted one"), nil
	}
	err := s.lead.session(ctx, s.in, as, func(context.Context, Session) error { return nil })
	if err == nil {
		s.lead.trust(as)
		return step.OK("the admin's password is the wanted one"), nil
	}
	if scaleio.KindOf(err) != scaleio.KindNotAuthenticated {
		return verdict(err)
	}
	err = s.lead.session(ctx, s.in, defaultAdmin(), func(context.Context, Session) error { return nil })
	if scaleio.KindOf(err) == scaleio.KindNotAuthenticated {
		return step.Block("AdminPasswordUnknown", "neither the configured admin password nor the default one is accepted: give the right one to the scheduler"), nil
	}
	if err != nil {
		return verdict(err)
	}
	return step.Need(api.ReasonNeeded, "the admin's password is still the default one"), nil
}

// Apply changes it, unless it was changed meanwhile.
func (s *adminPassword) Apply(ctx context.Context) error {
	s.lead.forget()
	if now, err := s.Check(ctx); err == nil && now.Verdict == step.Satisfied {
		return nil
	}
	if err := s.lead.mayAct(ctx, s.in, scaleio.CallTimeout); err != nil {
		return fmt.Errorf("changing the admin's password: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, scaleio.CallTimeout)
	defer cancel()
	err := s.lead.session(ctx, s.in, defaultAdmin(), func(ctx context.Context, session Session) error {
		return session.SetPassword(ctx, defaultAdmin().Password, s.in.Secrets.Admin)
	})
	s.lead.forget()
	if scaleio.KindOf(err) == scaleio.KindPasswordRules {
		return step.Permanent("AdminPasswordRefused", fmt.Errorf("changing the admin's password: %w", err))
	}
	if err != nil {
		return fmt.Errorf("changing the admin's password: %w", classify(err))
	}
	return nil
}

func defaultAdmin() scaleio.Credentials {
	return scaleio.Credentials{User: scaleio.AdminUser, Password: api.NewSecret(scaleio.DefaultAdminPassword)}
}
