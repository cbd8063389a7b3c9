package installer

import (
	"context"
	"errors"
	"sync"
	"time"

	"scaleio-framework/platform"
)

// dpkgStatus changes with every package that is installed, removed or left half-way.
const dpkgStatus = "/var/lib/dpkg/status"

// databaseOf a family's packages. That of rpm keeps its size when packages go: its tool is asked anew in each pass, whatever else lies on the machine.
func databaseOf(family platform.Family) string {
	if family == platform.FamilyDeb {
		return dpkgStatus
	}
	return ""
}

// packageStates remembers what the distribution's tool said of packages while its database keeps its size, at most for stateTTL: a node at rest would else
// run a dozen commands a minute only to hear the same.
type packageStates struct {
	Packages
	files    Files
	now      func() time.Time
	database string // whose size is looked at; "" = an answer stands for askedLife

	mu   sync.Mutex
	size int64
	at   time.Time
	seen map[string]packageAnswer
}

type packageAnswer struct {
	state platform.PackageState
	err   error
}

// askedLife lets the steps of one pass share an answer where no database's size tells that it stands.
const askedLife = time.Second

// stateTTL is how late a change that keeps the database's size may be noticed.
const stateTTL = 10 * time.Minute

// State of a package.
func (p *packageStates) State(ctx context.Context, name string) (platform.PackageState, error) {
	size, life := int64(0), askedLife
	if p.database != "" {
		var err error
		if _, size, err = p.files.Stat(p.database); err != nil {
			return p.Packages.State(ctx, name)
		}
		life = stateTTL
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if size != p.size || p.now().Sub(p.at) > life {
		p.size, p.at, p.seen = size, p.now(), map[string]packageAnswer{}
	}
	answer, ok := p.seen[name]
	if !ok {
		answer.state, answer.err = p.Packages.State(ctx, name)
		if answer.err == nil || errors.Is(answer.err, platform.ErrNotFound) {
			p.seen[name] = answer
		}
	}
	return answer.state, answer.err
}

// Install forgets, whatever comes of it.
func (p *packageStates) Install(ctx context.Context, file string, env map[string]string) error {
	defer p.forget()
	return p.Packages.Install(ctx, file, env)
}

// Require forgets too.
func (p *packageStates) Require(ctx context.Context, names ...string) error {
	defer p.forget()
	return p.Packages.Require(ctx, names...)
}

// Remove forgets too.
func (p *packageStates) Remove(ctx context.Context, name string) error {
	defer p.forget()
	return p.Packages.Remove(ctx, name)
}

// Recover forgets too.
func (p *packageStates) Recover(ctx context.Context) error {
	defer p.forget()
	return p.Packages.Recover(ctx)
}

func (p *packageStates) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen, p.size = nil, -1
}
