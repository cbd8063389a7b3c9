package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
)

// Config of a Cloud. The zero value is a cloud where everything is instant, allowed and consistent.
type Config struct {
	Region  string // default eu-central-1
	Account string // default 123456789012

	Takes Takes
	Reads Reads
	Quota Quota

	// Policies of roles, by the name that InstanceSpec.Role or AddUser gives. A role that isn't here may do all.
	Policies map[string][]Policy
	// BadKMSKeys can't be used: a volume under one vanishes while it is being created.
	BadKMSKeys []string
	// KeyLife of credentials that instances get; 0 = 6 h.
	KeyLife time.Duration
	// Throttle per action ("*" = all others): more than that is answered with RequestLimitExceeded.
	Throttle map[string]Rate
	// SkipSignatures takes any access key that is known, whatever the signature.
	SkipSignatures bool

	Backend Backend // default: a new Memory
	File    string  // where the state is kept; "" = in memory
	Seed    uint64
	Log     *slog.Logger
}

// Takes is how long things take in the cloud.
type Takes struct {
	Create, Attach, Detach, Delete time.Duration
	Appear                         time.Duration // from attached until the machine sees the disk
	Call                           time.Duration // every answer
}

// Cloud is one region of one account.
type Cloud struct {
	config Config
	log    *slog.Logger

	mu     sync.Mutex
	state  state
	views  map[string][]version // of each volume, oldest first
	timer  *time.Timer
	chance *rand.Rand

	calls     []Call
	counts    map[string]int
	faults    []*fault
	throttles map[string]*bucket
	skew      time.Duration
}

// New makes a cloud whose state is in memory.
func New(config Config) *Cloud {
	config.File = ""
	c, err := Open(config)
	if err != nil { // only a file can be the cause
		panic(err)
	}
	return c
}

// Open makes a cloud from what config.File holds, if there is such a file.
func Open(config Config) (*Cloud, error) {
	config.Region = defaulted(config.Region, "eu-central-1")
	config.Account = defaulted(config.Account, "123456789012")
	if config.KeyLife == 0 {
		config.KeyLife = 6 * time.Hour
	}
	if config.Backend == nil {
		config.Backend = NewMemory()
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	c := &Cloud{
		config: config, log: config.Log, state: emptyState(), views: map[string][]version{}, counts: map[string]int{}, throttles: map[string]*bucket{},
		chance: rand.New(rand.NewPCG(config.Seed, 1)),
	}
	if err := c.load(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.state.Policies, config.Policies)
	c.replug()
	c.settle()
	return c, nil
}

func defaulted(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

func (c *Cloud) load() error {
	if c.config.File == "" {
		return nil
	}
	data, err := os.ReadFile(c.config.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, &c.state)
	}
	if err != nil {
		return fmt.Errorf("loading the cloud's state: %w", err)
	}
	for id := range c.state.Volumes {
		c.changed(id)
	}
	return nil
}

// save comes before every answer that tells of a change.
func (c *Cloud) save() error {
	if c.config.File == "" {
		return nil
	}
	data, err := json.MarshalIndent(&c.state, "", "  ")
	if err == nil {
		err = renameio.WriteFile(c.config.File, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("saving the cloud's state: %w", err)
	}
	return nil
}

// id of a new thing. Ids are never used twice, and look as EC2's do: 17 hexadecimal digits.
func (c *Cloud) id(kind string) string {
	c.state.Minted++
	return fmt.Sprintf("%s-%07x%010x", kind, c.chance.Uint32()&0xfffffff, c.state.Minted)
}

// Volumes that there are, as they are in truth, by id.
func (c *Cloud) Volumes() []Volume {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	volumes := make([]Volume, 0, len(c.state.Volumes))
	for _, v := range c.state.Volumes {
		volumes = append(volumes, *v.clone())
	}
	slices.SortFunc(volumes, func(a, b Volume) int { return strings.Compare(a.ID, b.ID) })
	return volumes
}

// Volume that there is, in truth.
func (c *Cloud) Volume(id string) (Volume, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	v := c.state.Volumes[id]
	if v == nil {
		return Volume{}, false
	}
	return *v.clone(), true
}

// Close stops its timers; what is attached stays plugged.
func (c *Cloud) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = nil
}

// plugWithin bounds what a Backend does.
const plugWithin = time.Minute

func (c *Cloud) backend(do func(context.Context, Backend) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), plugWithin)
	defer cancel()
	return do(ctx, c.config.Backend)
}

// Region that this is.
func (c *Cloud) Region() string { return c.config.Region }

// Account that everything belongs to.
func (c *Cloud) Account() string { return c.config.Account }
