package mdm

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"unicode"

	"scaleio-framework/test/scaleio/mgmt"
)

// A right is what a command asks for; roles are sets of rights.
type right string

const (
	anyone     right = "anyone"
	backEnd    right = "back end"  // domains, pools, SDSs, devices
	frontEnd   right = "front end" // volumes, SDCs
	administer right = "administer"

	roleSuperUser = "SuperUser"
)

var roles = map[string][]right{
	roleSuperUser:       {anyone, backEnd, frontEnd, administer},
	"Administrator":     {anyone, backEnd, frontEnd, administer},
	"Configure":         {anyone, backEnd, frontEnd},
	"BackEndConfigure":  {anyone, backEnd},
	"FrontEndConfigure": {anyone, frontEnd},
	"Monitor":           {anyone},
}

func (r right) allows(role string) bool { return slices.Contains(roles[role], r) }

const (
	hashRounds        = 1_000
	minPasswordLength = 6
	maxNameLength     = 31
)

func (u *User) setPassword(password string) error {
	u.Salt = make([]byte, 16)
	_, _ = rand.Read(u.Salt)
	var err error
	u.Hash, err = pbkdf2.Key(sha256.New, password, u.Salt, hashRounds, 32)
	return err
}

func (u *User) hasPassword(password string) bool {
	hash, err := pbkdf2.Key(sha256.New, password, u.Salt, hashRounds, 32)
	return err == nil && subtle.ConstantTimeCompare(hash, u.Hash) == 1
}

// checkPassword wants some length and three kinds of characters.
func checkPassword(password string) error {
	if len(password) < minPasswordLength {
		return mgmt.PasswordTooShort
	}
	var upper, lower, digit, other int
	for _, r := range password {
		switch {
		case unicode.IsUpper(r):
			upper = 1
		case unicode.IsLower(r):
			lower = 1
		case unicode.IsDigit(r):
			digit = 1
		case unicode.IsSpace(r):
			return mgmt.PasswordTooPlain
		default:
			other = 1
		}
	}
	if upper+lower+digit+other < 3 {
		return mgmt.PasswordTooPlain
	}
	return nil
}

func checkName(name string) error {
	if len(name) > maxNameLength {
		return mgmt.NameTooLong
	}
	for _, r := range name {
		if r <= ' ' || r > '~' {
			return mgmt.NameInvalid
		}
	}
	if name == "" {
		return mgmt.NameInvalid
	}
	return nil
}

func (o *office) login(c call, args mgmt.Login) (mgmt.LoggedIn, error) {
	if args.OnArgv && !c.argv {
		return mgmt.LoggedIn{}, mgmt.PasswordOnArgv
	}
	s := o.state.Load()
	u, err := s.user(mgmt.Ref{Name: args.User})
	if err != nil || !u.hasPassword(args.Password) {
		return mgmt.LoggedIn{}, mgmt.PermissionDenied
	}
	return mgmt.LoggedIn{Session: o.node.sessions.begin(u.ID), Role: u.Role, SystemID: s.System.ID}, nil
}

func (c call) logout(none) (none, error) {
	c.office.node.sessions.end(c.token)
	return none{}, nil
}

func (c call) setPassword(args mgmt.SetPassword) (none, error) {
	if args.OnArgv && !c.argv {
		return none{}, mgmt.PasswordOnArgv
	}
	return none{}, c.office.write(func(s *State) error {
		u, err := s.user(mgmt.Ref{ID: c.user.ID})
		if err != nil {
			return err
		}
		if !u.hasPassword(args.Old) {
			return mgmt.OldPasswordMismatch
		}
		if err := checkPassword(args.New); err != nil {
			return err
		}
		u.NeedNewPass = false
		return u.setPassword(args.New)
	})
}

// addUser gives a temporary password, that must be changed, unless REST chose one.
func addUser(s *State, args mgmt.AddUser) (mgmt.NewPassword, error) {
	if err := checkName(args.Name); err != nil {
		return mgmt.NewPassword{}, err
	}
	if _, ok := roles[args.Role]; !ok || args.Role == roleSuperUser {
		return mgmt.NewPassword{}, mgmt.WrongParameters
	}
	if _, err := s.user(mgmt.Ref{Name: args.Name}); err == nil {
		return mgmt.NewPassword{}, mgmt.UserExists
	}
	u := User{User: mgmt.User{ID: s.newID(), Name: args.Name, Role: args.Role, NeedNewPass: true}}
	password := args.Password
	if password == "" {
		password = temporaryPassword()
	} else if err := checkPassword(password); err != nil {
		return mgmt.NewPassword{}, err
	}
	if err := u.setPassword(password); err != nil {
		return mgmt.NewPassword{}, err
	}
	s.Users = append(s.Users, u)
	return mgmt.NewPassword{ID: u.ID, Password: password}, nil
}

func temporaryPassword() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("Tmp1%s", base64.RawURLEncoding.EncodeToString(b[:]))
}

func setUserRole(s *State, args mgmt.SetUserRole) (none, error) {
	u, err := s.user(args.Of)
	if err != nil {
		return none{}, err
	}
	if _, ok := roles[args.Role]; !ok || args.Role == roleSuperUser || u.Role == roleSuperUser {
		return none{}, mgmt.WrongParameters
	}
	u.Role = args.Role
	return none{}, nil
}

func (c call) resetPassword(ref mgmt.Ref) (result mgmt.NewPassword, err error) {
	err = c.office.write(func(s *State) error {
		u, err := s.user(ref)
		if err != nil {
			return err
		}
		if u.ID == c.user.ID {
			return mgmt.UserIsSelf
		}
		result = mgmt.NewPassword{ID: u.ID, Password: temporaryPassword()}
		u.NeedNewPass = true
		return u.setPassword(result.Password)
	})
	if err == nil {
		c.office.node.sessions.endOf(result.ID)
	}
	return result, err
}

func (c call) deleteUser(ref mgmt.Ref) (none, error) {
	var id string
	err := c.office.write(func(s *State) error {
		u, err := s.user(ref)
		if err != nil {
			return err
		}
		if u.ID == c.user.ID || u.Role == roleSuperUser {
			return mgmt.UserIsSelf
		}
		id = u.ID
		s.Users = remove(s.Users, func(x *User) bool { return x.ID == id })
		return nil
	})
	if err == nil {
		c.office.node.sessions.endOf(id)
	}
	return none{}, err
}
