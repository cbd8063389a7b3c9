package kmod

import (
	"debug/elf"
	"errors"
	"fmt"
	"strings"

	"scaleio-framework/platform"
)

// Kind says why a module isn't loaded, in CamelCase: a stable word for conditions.
type Kind string

// The kinds.
const (
	NotAModule         Kind = "NotAModule"
	WrongModule        Kind = "WrongModule" // another one under the name
	WrongArchitecture  Kind = "WrongArchitecture"
	WrongKernel        Kind = "WrongKernel"        // built for another release
	UnsignedSecureBoot Kind = "UnsignedSecureBoot" // the firmware's Secure Boot has the kernel refuse it
	UnsignedLockdown   Kind = "UnsignedLockdown"   // lockdown= on the kernel's command line does
	UnsignedEnforced   Kind = "UnsignedEnforced"   // module.sig_enforce=1 does
	KeyNotTrusted      Kind = "KeyNotTrusted"      // signed, by a key that the kernel doesn't have
	ModulesDisabled    Kind = "ModulesDisabled"    // kernel.modules_disabled=1: until the next boot
	UnknownSymbol      Kind = "UnknownSymbol"      // it fits the release, and the kernel's symbols differ
	InUse              Kind = "InUse"
	LoadFailed         Kind = "LoadFailed"
)

// A Refusal is a module that isn't to be loaded, or that the kernel didn't take.
type Refusal struct {
	Kind Kind
	Why  string
}

// Error says why.
func (r *Refusal) Error() string { return r.Why }

// KindOf an error that is a Refusal, else "".
func KindOf(err error) Kind {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Kind
	}
	return ""
}

func refuse(kind Kind, format string, a ...any) error {
	return &Refusal{kind, fmt.Sprintf(format, a...)}
}

// machines in the words of Facts.Arch.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// Verify says whether a kernel of this release, on a machine that is otherwise like this one, would take the module. Nil means: as far as can be known
// without loading it.
func (m Module) Verify(name, release string, facts platform.Facts) error {
	if m.Name != "" && m.Name != name {
		return refuse(WrongModule, "the file holds the module %s, not %s", m.Name, name)
	}
	if want, ok := machines[facts.Arch]; ok && m.Machine != want {
		return refuse(WrongArchitecture, "the module is for %s, this machine is %s", m.Machine, facts.Arch)
	}
	if m.Release() != release {
		return refuse(WrongKernel, "the module was built for kernel %s, not for %s", m.Release(), release)
	}
	if m.Signed {
		return nil
	}
	return refuseUnsigned(facts)
}

// TakesUnsigned is nil if the kernel takes modules without a signature, such as are built on the spot.
func TakesUnsigned(facts platform.Facts) error { return refuseUnsigned(facts) }

// refuseUnsigned tells apart who asks for signatures: each is mended elsewhere. A kernel with Secure Boot that has no lockdown to tell of (3.10 of Enterprise
// Linux 7) asks for them all the same; one that says lockdown is none doesn't.
func refuseUnsigned(f platform.Facts) error {
	locked := f.Lockdown == "integrity" || f.Lockdown == "confidentiality"
	switch {
	case f.SecureBoot == "enabled" && (locked || f.Lockdown == ""):
		return refuse(UnsignedSecureBoot, "the module isn't signed, and Secure Boot is on: sign it with a key that is enrolled (mokutil --import KEY), or turn Secure Boot off in the firmware")
	case locked:
		return refuse(UnsignedLockdown, "the module isn't signed, and the kernel is locked down (lockdown=%s): take a signed module, or take that option from the kernel's command line and reboot", f.Lockdown)
	case f.SigEnforce:
		return refuse(UnsignedEnforced, "the module isn't signed, and the kernel takes signed ones only (module.sig_enforce=1): take a signed module, or take that option from the kernel's command line and reboot")
	}
	return nil
}

// Explain what insmod printed when the kernel didn't take a module: errno in kmod's words (libkmod's mod_strerror differs from strerror for these).
func Explain(said string, m Module, facts platform.Facts) error {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(said, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("Required key not available", "Key was rejected by service", "Key has been revoked", "Key has expired", "Bad message"):
		if !m.Signed {
			if err := refuseUnsigned(facts); err != nil {
				return err
			}
			return refuse(UnsignedEnforced, "the kernel takes signed modules only: %s", said)
		}
		return refuse(KeyNotTrusted, "the module is signed by a key that the kernel doesn't trust: enrol it (mokutil --import KEY) and reboot, or take one signed by a key that is: %s", said)
	case has("Operation not permitted"):
		if !m.Signed {
			if err := refuseUnsigned(facts); err != nil {
				return err
			}
		}
		return refuse(ModulesDisabled, "the kernel loads no modules any more until the next boot (kernel.modules_disabled=1), or it is locked down: %s", said)
	case has("Invalid module format", "Exec format error"):
		return refuse(WrongKernel, "the kernel doesn't take the module's format: it was built for another kernel or another configuration of it: %s", said)
	case has("Unknown symbol"):
		return refuse(UnknownSymbol, "the module uses symbols that this kernel doesn't have: %s", said)
	case has("Device or resource busy", "is in use", "Resource temporarily unavailable"):
		return refuse(InUse, "the module is in use: %s", said)
	}
	return refuse(LoadFailed, "the kernel didn't take the module: %s", said)
}
