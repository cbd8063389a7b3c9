package sds

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"sync"

	"scaleio-framework/test/scaleio/wire"
)

// Options are what differs between a node and a test.
type Options struct {
	Dir            string                                                   // state
	MinDeviceBytes int64                                                    // smaller devices are refused
	Scan           func() []string                                          // paths that may hold our devices
	MountedAt      func(path string) (string, error)                        // "" = not mounted
	Dial           func(ctx context.Context, addr string) (net.Conn, error) // to other SDSs
	Log            *slog.Logger
}

// Server is one SDS.
type Server struct {
	options Options
	log     *slog.Logger

	change sync.Mutex // held for the whole of what changes state or devices; taken before mu
	mu     sync.Mutex // state, open, fences; never held during I/O, or a slow disk would look like a dead SDS
	state  state
	open   map[string]*device
	fences map[string]*fence
}

// New loads the state and opens the devices that it can find.
func New(o Options) (*Server, error) {
	if o.Dial == nil {
		o.Dial = dialTCP
	}
	if o.MountedAt == nil {
		o.MountedAt = mountedAt
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	st, err := loadState(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, log: o.Log, state: st, open: map[string]*device{}, fences: map[string]*fence{}}
	s.findDevices()
	return s, nil
}

// Close closes the devices.
func (s *Server) Close() error {
	s.change.Lock()
	defer s.change.Unlock()
	return s.closeDevices()
}

func (s *Server) closeDevices() error {
	var errs []error
	for _, d := range s.opened() {
		errs = append(errs, d.file.Close())
		s.setOpen(d.id, nil)
	}
	return errors.Join(errs...)
}

// update stores a changed state and only then lets it count. s.change is held.
func (s *Server) update(edit func(*state)) error {
	s.mu.Lock()
	next := s.state.clone()
	s.mu.Unlock()
	edit(&next)
	if err := next.save(s.options.Dir); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = next
	return nil
}

func (s *Server) snapshot() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.clone()
}

func (s *Server) opened() []*device {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.open))
}

// setOpen makes a device known, nil forgets it.
func (s *Server) setOpen(id string, d *device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d == nil {
		delete(s.open, id)
		return
	}
	s.open[id] = d
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	conns.Go(func() { s.scan(ctx) })
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil { // who came in at the end must not wait for an answer
				_ = c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting: %w", err)
		}
		conns.Go(func() { s.serveConn(ctx, c) })
	}
}

func (s *Server) serveConn(ctx context.Context, c net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	in := bufio.NewReaderSize(c, 64<<10)
	var buf []byte
	for {
		line, err := readLine(in)
		if err != nil {
			return
		}
		var req wire.SDSRequest
		if err := json.Unmarshal(line, &req); err != nil {
			return
		}
		if req.Op == "read" || req.Op == "read-next" || req.Op == "write" {
			if req.Length < 0 || req.Length > wire.ChunkBytes {
				return
			}
			if int64(cap(buf)) < req.Length {
				buf = make([]byte, req.Length)
			}
		}
		if req.Op == "write" {
			if _, err := io.ReadFull(in, buf[:req.Length]); err != nil {
				return
			}
		}
		data, answer := s.answer(ctx, req, buf[:cap(buf)])
		out, err := json.Marshal(answer)
		if err != nil {
			return
		}
		packet := net.Buffers{append(out, '\n'), data}
		if _, err := packet.WriteTo(c); err != nil {
			return
		}
	}
}

// answer does what a request asks for. data follows the answer's line.
func (s *Server) answer(ctx context.Context, req wire.SDSRequest, buf []byte) (data []byte, answer wire.SDSAnswer) {
	if req.Op != "hello" {
		if err := s.mayAsk(req); err != nil {
			return nil, answerError(err)
		}
	}
	data, answer, err := s.perform(ctx, req, buf)
	if err != nil {
		if !errors.Is(err, errStale) {
			s.log.Warn("refused", "op", req.Op, "device", req.Device, "volume", req.Volume, "err", err)
		}
		return nil, answerError(err)
	}
	s.mu.Lock()
	answer.SDS, answer.System = s.state.SDS, s.state.System
	s.mu.Unlock()
	return data, answer
}

func (s *Server) perform(ctx context.Context, req wire.SDSRequest, buf []byte) (data []byte, answer wire.SDSAnswer, err error) {
	switch req.Op {
	case "hello":
		err = s.hello(req)
	case "status":
		answer.Devices = s.status()
	case "add-device":
		var d wire.SDSDevice
		if d, err = s.addDevice(req); err == nil {
			answer.Devices = []wire.SDSDevice{d}
		}
	case "remove-device":
		err = s.removeDevice(req.Device)
	case "detach":
		err = s.detach()
	case "zero-chunk":
		err = s.zeroChunk(req)
	case "set-generation":
		err = s.raise(req.Volume, req.Generation)
	case "copy-chunk":
		err = s.copyChunk(ctx, req)
	case "write":
		err = s.write(req, buf[:req.Length])
	case "read":
		if err = s.read(req, buf[:req.Length]); err == nil {
			data, answer.Length = buf[:req.Length], req.Length
		}
	case "read-next":
		answer.Offset, answer.Length, err = s.readNext(req, buf[:req.Length])
		data = buf[:answer.Length]
	default:
		err = refusef("unknown request %q", req.Op)
	}
	return data, answer, err
}

func (s *Server) system() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.System
}

// mayAsk keeps other systems out and finds requests that were meant for the SDS that had this address before.
func (s *Server) mayAsk(req wire.SDSRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.Op == "detach" && s.state.SDS == "" {
		return nil // done already
	}
	if req.System != "" && req.System != s.state.System {
		return errAnotherMDM
	}
	if req.SDS != "" && req.SDS != s.state.SDS {
		return refusef("this SDS is %q, not %q", s.state.SDS, req.SDS)
	}
	return nil
}

func (s *Server) device(id string) (*device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.open[id]; d != nil {
		return d, nil
	}
	return nil, errNoDevice
}
