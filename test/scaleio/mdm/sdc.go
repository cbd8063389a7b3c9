package mdm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

// sdcClients are the SDCs connected to this master, and the volumes whose maps they may not see change at this moment.
type sdcClients struct {
	office *office

	mu     sync.Mutex
	conns  map[string]*sdcConn // by SDC id
	frozen map[string]frozen   // by volume id
}

// frozen shows the map as it was; thawed closes when the new one may be seen.
type frozen struct {
	volume wire.Volume
	thawed chan struct{}
}

type sdcConn struct {
	conn    net.Conn
	id      string
	ip      string
	changed chan struct{}

	mu   sync.Mutex // one line at a time
	last []byte     // maps as last pushed
}

func newSDCClients(o *office) *sdcClients {
	return &sdcClients{office: o, conns: map[string]*sdcConn{}, frozen: map[string]frozen{}}
}

func (s *sdcClients) connected(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[id] != nil
}

// changed lets every connection compare what it last told.
func (s *sdcClients) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
}

func (s *sdcClients) freeze(state *State, volumes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range volumes {
		if v := find(state.Volumes, func(v *Volume) bool { return v.ID == id }); v != nil {
			s.frozen[id] = frozen{state.wireVolume(v), make(chan struct{})}
		}
	}
}

func (s *sdcClients) thaw(volumes []string) {
	s.mu.Lock()
	for _, id := range volumes {
		if f, ok := s.frozen[id]; ok {
			delete(s.frozen, id)
			close(f.thawed)
		}
	}
	s.mu.Unlock()
	s.changed()
}

// waitThawed before a map is asked for that must be the new one.
func (s *sdcClients) waitThawed(ctx context.Context, volume string) error {
	for {
		s.mu.Lock()
		f, ok := s.frozen[volume]
		s.mu.Unlock()
		if !ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-f.thawed:
		}
	}
}

// maps of all volumes mapped to an approved SDC.
func (s *sdcClients) maps(sdc string) []wire.Volume {
	state := s.office.state.Load()
	client := find(state.SDCs, func(c *mgmt.SDC) bool { return c.ID == sdc })
	volumes := []wire.Volume{}
	if client == nil || !client.Approved {
		return volumes
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range state.Volumes {
		v := &state.Volumes[i]
		if !v.mappedTo(sdc) {
			continue
		}
		if f, ok := s.frozen[v.ID]; ok {
			volumes = append(volumes, f.volume)
		} else {
			volumes = append(volumes, state.wireVolume(v))
		}
	}
	return volumes
}

func (v *Volume) mappedTo(sdc string) bool {
	return find(v.Mappings, func(m *mgmt.Mapping) bool { return m.SDC == sdc }) != nil
}

const sdcWriteTimeout = 5 * time.Second

func (c *sdcConn) send(answer wire.SDCAnswer) error {
	raw, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(sdcWriteTimeout))
	_, err = c.conn.Write(append(raw, '\n'))
	return err
}

// serveSDC answers one SDC and pushes maps to it until it goes or the office ends.
func (n *Node) serveSDC(ctx context.Context, conn net.Conn, decoder *json.Decoder) {
	o, err := n.masterOffice()
	c := &sdcConn{conn: conn, changed: make(chan struct{}, 1)}
	if err != nil {
		_ = c.send(wire.SDCAnswer{Error: "not-master"})
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var pushing sync.WaitGroup
	defer pushing.Wait()
	defer cancel()
	defer o.sdcs.gone(c)
	for {
		var req wire.SDCRequest
		if err := decoder.Decode(&req); err != nil {
			return
		}
		known := c.id != ""
		answer, err := o.answerSDC(ctx, c, req)
		answer.Seq = req.Seq
		if err != nil {
			answer = wire.SDCAnswer{Seq: req.Seq, Error: err.Error()}
			if errors.Is(err, mgmt.WrongClusterState) {
				answer.Error = "not-master"
			}
		}
		if err := c.send(answer); err != nil {
			return
		}
		if !known && c.id != "" {
			pushing.Go(func() { o.sdcs.push(ctx, c) })
		}
	}
}

func (o *office) answerSDC(ctx context.Context, c *sdcConn, req wire.SDCRequest) (wire.SDCAnswer, error) {
	if !o.serving.Load() {
		return wire.SDCAnswer{}, mgmt.WrongClusterState
	}
	if req.Op == "register" && c.id == "" {
		return o.registerSDC(c, req)
	}
	if c.id == "" {
		return wire.SDCAnswer{}, errors.New("not registered")
	}
	switch req.Op {
	case "ping":
		return wire.SDCAnswer{}, nil
	case "allocate":
		if err := o.sdcs.waitThawed(ctx, req.Volume); err != nil {
			return wire.SDCAnswer{}, err
		}
		if err := o.allocateFor(c, req); err != nil {
			return wire.SDCAnswer{}, err
		}
		return o.sdcs.one(c.id, req.Volume), nil
	case "report-failed":
		if err := o.sdcs.waitThawed(ctx, req.Volume); err != nil {
			return wire.SDCAnswer{}, err
		}
		if err := o.failedWrite(req.Volume, req.Chunk, req.SDS, req.Device); err != nil {
			return wire.SDCAnswer{}, err
		}
		o.sdss.wake()
		return o.sdcs.one(c.id, req.Volume), nil
	}
	return wire.SDCAnswer{}, errors.New("unknown request " + req.Op)
}

func (s *sdcClients) one(sdc, volume string) wire.SDCAnswer {
	var answer wire.SDCAnswer
	for _, v := range s.maps(sdc) {
		if v.ID == volume {
			answer.Volumes = append(answer.Volumes, v)
		}
	}
	return answer
}

// allocateFor gives a chunk its places; asking twice is the same as asking once.
func (o *office) allocateFor(c *sdcConn, req wire.SDCRequest) error {
	has := func(s *State) (*Volume, bool, error) {
		v := find(s.Volumes, func(v *Volume) bool { return v.ID == req.Volume })
		if v == nil || !v.mappedTo(c.id) {
			return nil, false, mgmt.NotMapped
		}
		if req.Chunk < 0 || req.Chunk*wire.ChunkBytes >= v.SizeBytes {
			return nil, false, mgmt.WrongParameters
		}
		return v, find(v.Chunks, func(x *Chunk) bool { return x.Index == req.Chunk }) != nil, nil
	}
	if _, done, err := has(o.state.Load()); done || err != nil {
		return err
	}
	return o.write(func(s *State) error {
		v, done, err := has(s)
		if done || err != nil {
			return err
		}
		return s.allocate(v, req.Chunk, o.deviceUp)
	})
}

// registerSDC knows a client by its GUID. Two living ones with one GUID (a cloned image) can't both be served.
func (o *office) registerSDC(c *sdcConn, req wire.SDCRequest) (wire.SDCAnswer, error) {
	if req.GUID == "" {
		return wire.SDCAnswer{}, mgmt.WrongParameters
	}
	if req.IP == "" {
		req.IP, _, _ = net.SplitHostPort(c.conn.RemoteAddr().String())
	}
	s := o.state.Load()
	client, err := s.sdc(mgmt.Ref{GUID: req.GUID})
	if err == nil && o.sdcs.elsewhere(client.ID, req.IP) {
		return wire.SDCAnswer{}, mgmt.SDCGUIDExists
	}
	if err != nil || client.IP != req.IP || client.Build != req.Build {
		err := o.write(func(s *State) error {
			client, err := s.sdc(mgmt.Ref{GUID: req.GUID})
			if err != nil {
				s.SDCs = append(s.SDCs, mgmt.SDC{ID: s.newID(), GUID: req.GUID, Approved: s.System.RestrictedSDC == "None"})
				client = &s.SDCs[len(s.SDCs)-1]
			}
			client.IP, client.Build = req.IP, req.Build
			return nil
		})
		if err != nil {
			return wire.SDCAnswer{}, err
		}
		s = o.state.Load()
		if client, err = s.sdc(mgmt.Ref{GUID: req.GUID}); err != nil {
			return wire.SDCAnswer{}, err
		}
	}
	c.id, c.ip = client.ID, req.IP
	o.sdcs.came(c)
	answer := wire.SDCAnswer{SystemID: s.System.ID, Install: s.System.InstallationID, MDMs: o.node.managerIPs(), Volumes: o.sdcs.maps(client.ID)}
	if client.Approved {
		answer.SDCID = client.ID
	} else {
		answer.SDCID = "0000000000000000"
	}
	c.last, _ = json.Marshal(answer.Volumes)
	return answer, nil
}

func (n *Node) managerIPs() []string {
	var ips []string
	for _, m := range n.config().Members {
		if m.Manager {
			ips = append(ips, m.IPs...)
		}
	}
	return ips
}

func (s *sdcClients) elsewhere(id, ip string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[id] != nil && s.conns[id].ip != ip
}

// came replaces an older connection of the same client, which may be half open after a crash.
func (s *sdcClients) came(c *sdcConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.conns[c.id]; old != nil && old != c {
		_ = old.conn.Close()
	}
	s.conns[c.id] = c
	s.office.node.log.Info("sdc connected", "id", c.id, "ip", c.ip)
}

func (s *sdcClients) gone(c *sdcConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.id != "" && s.conns[c.id] == c {
		delete(s.conns, c.id)
		s.office.node.log.Info("sdc disconnected", "id", c.id, "ip", c.ip)
	}
}

// push tells new maps, whole, whenever they differ from those told before.
func (s *sdcClients) push(ctx context.Context, c *sdcConn) {
	for {
		volumes := s.maps(c.id)
		raw, err := json.Marshal(volumes)
		if err != nil {
			return
		}
		if !bytes.Equal(raw, c.last) {
			c.last = raw
			if err := c.send(wire.SDCAnswer{Volumes: volumes}); err != nil {
				_ = c.conn.Close()
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		}
	}
}
