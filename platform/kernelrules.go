package platform

import (
	"os"
	"path/filepath"
	"strings"
)

// kernelRules are what the running kernel asks of a module before it takes it.
type kernelRules struct {
	secureBoot, lockdown, selinux string
	sigEnforce, modulesDisabled   bool
}

func kernelRulesOf(root Root) kernelRules {
	return kernelRules{
		secureBoot:      secureBoot(root),
		lockdown:        lockdown(readLine(root, "sys/kernel/security/lockdown")),
		selinux:         selinux(root),
		sigEnforce:      readLine(root, "sys/module/module/parameters/sig_enforce") == "Y",
		modulesDisabled: readLine(root, "proc/sys/kernel/modules_disabled") == "1",
	}
}

// secureBoot as the firmware's variable says: four bytes of attributes, then one that is 1 or 0. A machine that wasn't started by EFI has none of it; one that
// was, but shows no variables (efivarfs isn't mounted, or this is a container), can't be asked.
func secureBoot(root Root) string {
	found, _ := filepath.Glob(root.Path("sys/firmware/efi/efivars/SecureBoot-*"))
	for _, path := range found {
		if value, err := os.ReadFile(path); err == nil && len(value) == 5 {
			if value[4] == 1 {
				return "enabled"
			}
			return "disabled"
		}
	}
	if !isDir(root, "sys/firmware") || exists(root, "sys/firmware/efi") {
		return "unknown"
	}
	return "disabled"
}

// lockdown is the word in brackets of "none [integrity] confidentiality".
func lockdown(line string) string {
	_, rest, _ := strings.Cut(line, "[")
	word, _, _ := strings.Cut(rest, "]")
	return word
}

// selinux is disabled where it is installed but its file system isn't mounted.
func selinux(root Root) string {
	switch readLine(root, "sys/fs/selinux/enforce") {
	case "1":
		return "enforcing"
	case "0":
		return "permissive"
	}
	if exists(root, "etc/selinux/config") {
		return "disabled"
	}
	return ""
}

// kernelFlavour is what a release says of the kernel's maker: "5.15.0-1034-aws", "5.15.0-200.131.27.el8uek.x86_64", "5.14.0-570.el9_6.x86_64",
// "4.14.355-276.639.amzn2.x86_64", "6.6.95-flatcar".
func kernelFlavour(release string) string {
	for _, word := range strings.FieldsFunc(release, func(r rune) bool { return r == '.' || r == '-' || r == '_' || r == '+' }) {
		switch {
		case strings.HasSuffix(word, "uek"):
			return "uek"
		case strings.HasPrefix(word, "amzn"), len(word) > 2 && word[:2] == "el" && word[2] >= '0' && word[2] <= '9':
			return word
		}
		switch word {
		case "generic", "lowlatency", "aws", "azure", "gcp", "oracle", "kvm", "cloud", "flatcar", "coreos", "default":
			return word
		}
	}
	return ""
}
