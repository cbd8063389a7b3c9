package mesos

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"scaleio-framework/test/mesos/wire"
)

// Version is what the dev master and agent report: that of the recorded build.
const Version = "1.12.0"

// maxCompleted bounds the finished frameworks, and tasks of each, that are
// remembered (Mesos: --max_completed_frameworks 50, tasks 1000).
const maxCompleted = 50

// A Master is a Mesos master as schedulers see it: frameworks, agents, offers,
// tasks. NewMaster starts nothing; Run makes the periodic offers.
type Master struct {
	cfg     Config
	mux     *http.ServeMux
	started time.Time

	mu         sync.Mutex
	leader     string
	recovering bool
	frameworks map[string]*framework
	completed  []*framework // oldest first
	agents     map[string]*agent
	agentOrder []*agent // as registered
	offers     map[string]*offer

	frameworkCount, agentCount, offerCount int
}

// NewMaster returns a master with no frameworks and no agents.
func NewMaster(cfg Config) *Master {
	cfg = cfg.withDefaults()
	m := &Master{
		cfg:        cfg,
		started:    time.Now(),
		leader:     cfg.Leader,
		frameworks: map[string]*framework{},
		agents:     map[string]*agent{},
		offers:     map[string]*offer{},
	}
	m.mux = m.routes()
	return m
}

// ID is the master's uuid.
func (m *Master) ID() string { return m.cfg.ID }

// Run makes offers every allocation interval until ctx ends, then ends all
// streams as the death of a master does.
func (m *Master) Run(ctx context.Context) error {
	ticker := time.NewTicker(m.cfg.AllocationInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			m.shutdown()
			return nil
		case <-ticker.C:
			m.mu.Lock()
			m.allocate(m.agentOrder)
			m.mu.Unlock()
		}
	}
}

func (m *Master) shutdown() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.frameworks {
		f.stopFailover()
		if f.stream != nil {
			f.stream.close()
		}
	}
	for _, a := range m.agents {
		a.stopTimer()
		a.link.close()
	}
	for _, o := range m.offers {
		o.stopTimer()
	}
}

// SetLeader makes this master redirect to another (host:port), or lead again
// when empty. Losing the leadership ends all streams, as in Mesos, where the
// process exits.
func (m *Master) SetLeader(hostPort string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leader = hostPort
	if hostPort == "" {
		return
	}
	for _, f := range m.frameworks {
		if f.stream != nil {
			f.stream.close()
		}
	}
}

// SetRecovering makes the master answer 503 as one that has not finished its
// recovery does.
func (m *Master) SetRecovering(recovering bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recovering = recovering
}

func (m *Master) masterInfo() *v1.MasterInfo {
	port := uint32(m.cfg.Port)
	ip, pid, version, hostname := m.cfg.IP, fmt.Sprintf("master@%s", m.hostPort()), Version, m.cfg.Hostname
	info := &v1.MasterInfo{
		ID: m.cfg.ID, IP: ipNumber(ip), Port: &port, PID: &pid, Hostname: &hostname, Version: &version,
		Address: &v1.Address{Hostname: &hostname, IP: &ip, Port: int32(m.cfg.Port)},
		Capabilities: []v1.MasterInfo_Capability{
			{Type: v1.MasterInfo_Capability_AGENT_UPDATE},
			{Type: v1.MasterInfo_Capability_AGENT_DRAINING},
			{Type: wire.QuotaV2},
		},
	}
	return info
}

func (m *Master) hostPort() string {
	return net.JoinHostPort(m.cfg.IP, strconv.Itoa(m.cfg.Port))
}

// ipNumber: Mesos puts the address into the number in network byte order, so
// 127.0.0.1 is 16777343 on a little-endian machine.
func ipNumber(text string) uint32 {
	if ip := net.ParseIP(text).To4(); ip != nil {
		return binary.LittleEndian.Uint32(ip)
	}
	return 0
}

func newUUID() string { return uuid.NewString() }

func newUUIDBytes() []byte {
	id := uuid.New()
	return id[:]
}

func event(kind scheduler.Event_Type) *scheduler.Event { return &scheduler.Event{Type: kind} }

// secondsOf turns a protobuf number of seconds into a duration; absurdly large
// timeouts (Mesos accepts any) become the longest one.
func secondsOf(seconds float64) time.Duration {
	const longest = 10 * 365 * 24 * time.Hour
	if seconds <= 0 {
		return 0
	}
	if seconds > longest.Seconds() {
		return longest
	}
	return time.Duration(seconds * float64(time.Second))
}

func timestamp(at time.Time) *float64 {
	seconds := float64(at.UnixMicro()) / 1e6
	return &seconds
}

func timeInfo(at time.Time) *v1.TimeInfo { return &v1.TimeInfo{Nanoseconds: at.UnixNano()} }
