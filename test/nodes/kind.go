package nodes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is which operating system a machine presents. Below every one is a
// Debian 12 root: what is real in it, and what only the name on the tin, is said
// with its recipe and in the machine's /etc/issue.
type Kind string

// The kinds.
const (
	Ubuntu  Kind = "ubuntu"  // Ubuntu 22.04: real apt and dpkg
	Rocky   Kind = "rocky"   // Rocky Linux 9: real rpm and dnf, no apt and dpkg
	Flatcar Kind = "flatcar" // Flatcar: read-only /usr, no package tools, real systemd-sysext
)

// Kinds that can be made.
var Kinds = []Kind{Ubuntu, Rocky, Flatcar}

// recipe of a kind's root.
func (k Kind) recipe() (recipe, error) {
	switch k {
	case Ubuntu:
		return ubuntuRecipe(), nil
	case Rocky:
		return rockyRecipe(), nil
	case Flatcar:
		return flatcarRecipe()
	}
	return recipe{}, fmt.Errorf("looking for the kind of node %q: known are %v", k, Kinds)
}

// ParseKinds reads the kinds of a cluster's nodes: a number of Ubuntu nodes, or
// one word per node, by comma.
func ParseKinds(text string) ([]Kind, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > maxNodes {
			return nil, fmt.Errorf("reading the nodes %q: from 1 to %d can be made", text, maxNodes)
		}
		return slices.Repeat([]Kind{Ubuntu}, n), nil
	}
	var kinds []Kind
	for word := range strings.SplitSeq(text, ",") {
		kind := Kind(strings.TrimSpace(word))
		if !slices.Contains(Kinds, kind) {
			return nil, fmt.Errorf("reading the nodes %q: %q is neither a number nor one of %v", text, kind, Kinds)
		}
		kinds = append(kinds, kind)
	}
	if len(kinds) > maxNodes {
		return nil, fmt.Errorf("reading the nodes %q: more than %d can't be made", text, maxNodes)
	}
	return kinds, nil
}
