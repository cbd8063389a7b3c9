package aws

import (
	"context"
	"strings"
	"sync"
	"time"
)

// deviceOrder is all names of one family, so that no two mean the same device: on Xen /dev/sdf and /dev/xvdf are one. /dev/xvda is left to the root.
var deviceOrder = func() (names []string) {
	for _, first := range "bcda" {
		for second := 'a'; second <= 'x'; second++ {
			names = append(names, "/dev/xvd"+string(first)+string(second))
		}
	}
	for letter := 'e'; letter <= 'z'; letter++ {
		names = append(names, "/dev/xvd"+string(letter))
	}
	return names
}()

// KernelNames are the names under which the kernel of a Xen instance may show a device that was attached under this name. On NVMe instances a disk is found by its
// serial instead.
func KernelNames(device string) []string {
	name := strings.TrimPrefix(device, "/dev/")
	if letters, ok := strings.CutPrefix(name, "sd"); ok {
		return []string{"xvd" + letters, name}
	}
	return []string{name}
}

// namesKnownFor is how long a list of what is attached serves to find free names: until the next look at the slots, which has the same list. A name that somebody
// else took since is refused, and the next one taken. A name that was given away shows in such a list soon after, or was never used.
const (
	namesKnownFor = 40 * time.Minute
	givenFor      = 2 * time.Minute
)

// deviceNames remembers which names are in use, given away by us, or bad.
type deviceNames struct {
	mu     sync.Mutex
	listed time.Time
	used   map[string]bool
	given  map[string]time.Time
	no     map[string]bool
}

// takeName reserves the first free name. What is attached is listed once in a while, not for each volume.
func (e *EC2) takeName(ctx context.Context, self string) (string, error) {
	n := &e.names
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.listed) < namesKnownFor {
		if name, ok := n.give(); ok {
			return name, nil
		}
	}
	attached, err := e.attachedHere(ctx)
	if err != nil {
		return "", err
	}
	n.learnLocked(attached, self)
	if name, ok := n.give(); ok {
		return name, nil
	}
	return "", &Error{Op: "AttachVolume", Message: "all device names are in use", Kind: ErrLimit}
}

func (n *deviceNames) give() (string, bool) {
	for _, name := range deviceOrder {
		if _, given := n.given[name]; !given && !n.used[canonical(name)] && !n.no[name] {
			n.given[name] = time.Now()
			return name, true
		}
	}
	return "", false
}

// learn from a list that was asked for anyhow.
func (n *deviceNames) learn(attached []Volume, self string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.learnLocked(attached, self)
}

func (n *deviceNames) learnLocked(attached []Volume, self string) {
	n.listed, n.used = time.Now(), map[string]bool{}
	if n.no == nil {
		n.no, n.given = map[string]bool{}, map[string]time.Time{}
	}
	for _, v := range attached {
		if a, here := v.On(self); here {
			n.used[canonical(a.Device)] = true
		}
	}
	for name, since := range n.given {
		if time.Since(since) > givenFor {
			delete(n.given, name)
		}
	}
}

// bad: EC2 says that it is in use, and lists it nowhere.
func (n *deviceNames) bad(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.no[name] = true
	delete(n.given, name)
}

func (n *deviceNames) free(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.given, name)
}

// canonical: sdf and xvdf are one name.
func canonical(device string) string { return "/dev/" + KernelNames(device)[0] }
