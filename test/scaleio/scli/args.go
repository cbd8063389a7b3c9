package scli

import (
	"slices"
	"strconv"
	"strings"

	"scaleio-framework/test/scaleio/mgmt"
)

// Flags may come in any order; one of them names the command. A parameter list reads: "name" takes a value, "name?" is a switch,
// "name!" must be given.
const globals = "mdm_ip approve_certificate? i_am_sure? use_nonsecure_communication? help?"

type arguments struct {
	command command
	values  map[string]string
}

// errUsage makes the caller print how the command is used.
type usageError struct{ command string }

func (u usageError) Error() string { return "wrong usage of " + u.command }

func parseArgs(args []string) (*arguments, error) {
	i := slices.IndexFunc(args, func(a string) bool { _, ok := commands[strings.TrimPrefix(a, "--")]; return ok })
	if i < 0 || !strings.HasPrefix(args[i], "--") {
		return nil, usageError{}
	}
	name := strings.TrimPrefix(args[i], "--")
	a := &arguments{command: commands[name], values: map[string]string{}}
	kinds := map[string]string{}
	var required []string
	for _, p := range strings.Fields(globals + " " + a.command.params) {
		bare := strings.TrimRight(p, "?!")
		kinds[bare] = strings.TrimPrefix(p, bare)
		if strings.HasSuffix(p, "!") {
			required = append(required, bare)
		}
	}
	for j := 0; j < len(args); j++ {
		if j == i {
			continue
		}
		flag, ok := strings.CutPrefix(args[j], "--")
		kind, known := kinds[flag]
		switch {
		case !ok || !known:
			return nil, usageError{name}
		case kind == "?":
			a.values[flag] = "yes"
		case j+1 == len(args) || strings.HasPrefix(args[j+1], "--"):
			return nil, usageError{name}
		default:
			a.values[flag] = args[j+1]
			j++
		}
	}
	for _, r := range required {
		if a.values[r] == "" {
			return nil, usageError{name}
		}
	}
	return a, nil
}

func (a *arguments) get(name string) string { return a.values[name] }
func (a *arguments) has(name string) bool   { _, ok := a.values[name]; return ok }

func (a *arguments) list(name string) []string {
	if a.values[name] == "" {
		return nil
	}
	return strings.Split(a.values[name], ",")
}

func (a *arguments) number(name string) (int, error) {
	n, err := strconv.Atoi(a.values[name])
	if err != nil {
		return 0, usageError{a.command.name}
	}
	return n, nil
}

// ref reads the twins of a parameter: volume_id, volume_name, sdc_ip, sdc_guid.
func (a *arguments) ref(stem string) mgmt.Ref {
	return mgmt.Ref{ID: a.get(stem + "_id"), Name: a.get(stem + "_name"), IP: a.get(stem + "_ip"), GUID: strings.ToUpper(a.get(stem + "_guid"))}
}

// poolRef is a pool within the domain that may be named with it.
func (a *arguments) poolRef() mgmt.Ref {
	ref := a.ref("storage_pool")
	if domain := a.ref("protection_domain"); !domain.Empty() {
		ref.Domain = &domain
	}
	return ref
}

// choice of two switches; nil when neither is there.
func (a *arguments) choice(yes, no string) *bool {
	if a.has(yes) == a.has(no) {
		return nil
	}
	chosen := a.has(yes)
	return &chosen
}
