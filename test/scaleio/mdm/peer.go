package mdm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
)

// What MDMs say to each other on the cluster port: one request line, one answer line, then the connection ends.
type peerRequest struct {
	Client   string        `json:"client"` // "mdm"
	Op       string        `json:"op"`     // identify | attach | detach | beat | vote | put | campaign
	System   string        `json:"system,omitempty"`
	Term     int64         `json:"term,omitempty"`
	From     string        `json:"from,omitempty"` // member id of the sender
	To       string        `json:"to,omitempty"`   // attach: the member id to take
	Manager  bool          `json:"manager,omitempty"`
	Force    bool          `json:"force,omitempty"`
	Dry      bool          `json:"dry,omitempty"` // vote: only ask, promise nothing
	Config   *Config       `json:"config,omitempty"`
	Replicas *Replicas     `json:"replicas,omitempty"`
	Cluster  *mgmt.Cluster `json:"cluster,omitempty"` // beat: the master's picture, so that any member can show it
	State    []byte        `json:"state,omitempty"`
}

type peerAnswer struct {
	Fault   *mgmt.Fault `json:"fault,omitempty"`
	OK      bool        `json:"ok,omitempty"`
	Why     string      `json:"why,omitempty"`
	Term    int64       `json:"term,omitempty"`
	System  string      `json:"system,omitempty"`
	Self    string      `json:"self,omitempty"`
	Manager bool        `json:"manager,omitempty"`
	Config  *Config     `json:"config,omitempty"`

	Certificate *mgmt.Certificate `json:"certificate,omitempty"` // beat: a manager's
}

var errRefused = errors.New("peer refused")

// call asks one member, at the first of its addresses that answers.
func (n *Node) call(ctx context.Context, m mgmt.Member, timeout time.Duration, req peerRequest) (peerAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req.Client = "mdm"
	var failures []error
	for _, ip := range m.IPs {
		answer, err := callAddress(ctx, mgmt.Address(ip, m.Port), req)
		if err == nil {
			return answer, nil
		}
		failures = append(failures, err)
	}
	return peerAnswer{}, fmt.Errorf("calling MDM %s: %w", m.ID, errors.Join(failures...))
}

func callAddress(ctx context.Context, address string, req peerRequest) (peerAnswer, error) {
	var answer peerAnswer
	dialer := net.Dialer{Timeout: mgmt.DialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return answer, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return answer, err
	}
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		return answer, err
	}
	return answer, json.Unmarshal(line, &answer)
}
