package leader

import (
	"context"
	"fmt"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// volumeUser: the volume driver has an account of its own, that may make, map and remove volumes and no more.
type volumeUser struct {
	lead *Leader
	in   Input
}

func (s *volumeUser) Name() string { return StepVolumeUser }

// Check looks whether the account's password opens the gateway; only if not, who has an account at all.
func (s *volumeUser) Check(ctx context.Context) (step.Finding, error) {
	if _, err := s.lead.asMaster(ctx, s.in); err != nil {
		return verdict(err)
	}
	as := s.in.volumeUser()
	if as.Password.Empty() || as.User == "" {
		return step.Wait(ReasonNoSecret, "waits for the volume driver's password: the scheduler sends it with the lease"), nil
	}
	if s.lead.isTrusted(as) {
		return step.OK("user %s may make volumes", as.User), nil
	}
	user, there, err := s.user(ctx)
	if err != nil {
		return verdict(err)
	}
	switch {
	case !there:
		return step.Need(api.ReasonNeeded, "there is no user %s", as.User), nil
	case user.Role != scaleio.RoleFrontEnd:
		return step.Block(ReasonConflict, "user %s has the role %s, the volume driver needs %s: choose another name or remove it", as.User, user.Role, scaleio.RoleFrontEnd), nil
	case user.NeedNewPass:
		return step.Need(api.ReasonNeeded, "user %s has a temporary password", as.User), nil
	}
	in, err := s.lead.gateways.LetsIn(ctx, as)
	if err != nil {
		return verdict(err)
	}
	if !in {
		return step.Need(api.ReasonNeeded, "user %s has another password", as.User), nil
	}
	s.lead.trust(as)
	return step.OK("user %s may make volumes", as.User), nil
}

// Apply makes the account or resets its password, and changes the temporary one that the product prints. Cut between the two, the account needs a new
// password, which Check sees.
func (s *volumeUser) Apply(ctx context.Context) error {
	as := s.in.volumeUser()
	s.lead.distrust(as.User)
	s.lead.forget()
	if now, err := s.Check(ctx); err == nil && now.Verdict == step.Satisfied {
		return nil
	}
	temporary, err := s.temporary(ctx)
	if err != nil {
		return fmt.Errorf("giving user %s a temporary password: %w", as.User, classify(err))
	}
	if err := s.lead.mayAct(ctx, s.in, scaleio.CallTimeout); err != nil {
		return fmt.Errorf("setting the password of user %s: %w", as.User, err)
	}
	ctx, cancel := context.WithTimeout(ctx, scaleio.CallTimeout)
	defer cancel()
	err = s.lead.session(ctx, s.in, scaleio.Credentials{User: as.User, Password: temporary}, func(ctx context.Context, session Session) error {
		return session.SetPassword(ctx, temporary, as.Password)
	})
	if err != nil {
		return fmt.Errorf("setting the password of user %s: %w", as.User, classify(err))
	}
	return nil
}

func (s *volumeUser) temporary(ctx context.Context) (temporary api.Secret, err error) {
	name := s.in.volumeUser().User
	user, there, err := s.user(ctx)
	if err != nil {
		return temporary, err
	}
	if there && user.Role != scaleio.RoleFrontEnd {
		return temporary, blocked(ReasonConflict, "user %s has the role %s", name, user.Role)
	}
	if err := s.lead.mayAct(ctx, s.in, scaleio.CallTimeout); err != nil {
		return temporary, err
	}
	ctx, cancel := context.WithTimeout(ctx, scaleio.CallTimeout)
	defer cancel()
	err = s.lead.session(ctx, s.in, s.in.admin(), func(ctx context.Context, session Session) error {
		if there {
			temporary, err = session.ResetPassword(ctx, name)
		} else {
			temporary, err = session.AddUser(ctx, name, scaleio.RoleFrontEnd)
		}
		return err
	})
	return temporary, err
}

func (s *volumeUser) user(ctx context.Context) (user scaleio.User, there bool, err error) {
	err = s.lead.session(ctx, s.in, s.in.admin(), func(ctx context.Context, session Session) error {
		users, err := session.QueryUsers(ctx)
		for _, u := range users {
			if u.Name == s.in.volumeUser().User {
				user, there = u, true
			}
		}
		return err
	})
	return user, there, err
}
