package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gogo/protobuf/proto"

	"scaleio-framework/test/mesos/delivery"
	"scaleio-framework/test/mesos/link"
)

const (
	// silence after which a master's connection is given up; it pings every 5 s.
	masterSilence = 16 * time.Second
	sendTimeout   = 5 * time.Second
)

// stayRegistered registers with the master, and again whenever either of the
// two has been away.
func (a *Agent) stayRegistered(ctx context.Context) error {
	for {
		err := a.registered(ctx)
		if ctx.Err() != nil {
			return nil
		}
		a.cfg.Log.Warn("not registered", "master", a.flags.masterAddress(), "err", err)
		pause := time.NewTimer(a.cfg.RegisterPause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
	}
}

// registered holds one registration until it breaks.
func (a *Agent) registered(ctx context.Context) error {
	registration, err := json.Marshal(a.registration())
	if err != nil {
		return fmt.Errorf("writing the registration: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(masterSilence, func() { cancel(errors.New("master is silent")) })
	defer silence.Stop()
	response, err := a.post(ctx, link.RegisterPath, registration)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	commands := json.NewDecoder(response.Body)
	for {
		var c link.Command
		if err := commands.Decode(&c); err != nil {
			return fmt.Errorf("reading commands of the master: %w", errors.Join(err, context.Cause(ctx)))
		}
		silence.Reset(masterSilence)
		if err := a.carryOut(ctx, c); err != nil {
			return err
		}
	}
}

func (a *Agent) registration() link.Registration {
	a.mu.Lock()
	r := link.Registration{
		ID: a.identity.ID, Hostname: a.identity.Hostname, IP: a.flags["ip"], Port: a.port(),
		Attributes: a.identity.Attributes, Resources: a.identity.Resources,
	}
	a.mu.Unlock()
	frameworks := map[string]bool{}
	for _, c := range a.all() {
		c.mu.Lock()
		task := link.Task{FrameworkID: c.run.FrameworkID, Info: c.run.Task}
		for _, status := range c.statuses {
			if data, err := proto.Marshal(&status); err == nil {
				task.Statuses = append(task.Statuses, data)
			}
		}
		discarded := c.discarded
		c.mu.Unlock()
		if discarded {
			continue
		}
		r.Tasks = append(r.Tasks, task)
		if !frameworks[c.run.FrameworkID] {
			frameworks[c.run.FrameworkID] = true
			r.Frameworks = append(r.Frameworks, c.run.Framework)
		}
	}
	return r
}

func (a *Agent) carryOut(ctx context.Context, c link.Command) error {
	switch c.Kind {
	case link.Registered:
		return a.becomeKnown(c.AgentID)
	case link.Launch:
		// A launch outlives the registration that brought it.
		return a.launch(context.WithoutCancel(ctx), c.Framework, c.Task)
	case link.Kill:
		a.kill(c.FrameworkID, c.TaskID, c.KillPolicy)
	case link.Acknowledge:
		a.acknowledge(c)
	case link.FrameworkBack:
		a.updates.Resend(c.FrameworkID)
	case link.ShutdownFramework:
		a.shutdownFramework(c.FrameworkID)
	}
	return nil
}

// becomeKnown takes the id that the master has given.
func (a *Agent) becomeKnown(id string) error {
	a.mu.Lock()
	fresh := a.identity.ID != id
	a.identity.ID = id
	identity := a.identity
	a.mu.Unlock()
	a.cfg.Log.Info("registered with master", "agent_id", id)
	if fresh {
		if err := a.meta.writeIdentity(identity); err != nil {
			return err
		}
	}
	a.updates.Resend("")
	return nil
}

func (a *Agent) acknowledge(command link.Command) {
	c := a.find(command.FrameworkID, command.TaskID)
	_, accepted := a.updates.Acknowledge(command.FrameworkID, command.TaskID, command.UUID)
	if c == nil || !accepted {
		return
	}
	if err := logAck(c.dir, command.UUID); err != nil {
		a.cfg.Log.Error("checkpointing failed", "task", command.TaskID, "err", err)
	}
	a.forgetIfDone(c)
}

// sendUpdate posts an update to the master; one that doesn't arrive is retried
// by the queue.
func (a *Agent) sendUpdate(u delivery.Update) {
	status, err := proto.Marshal(&u.Status)
	if err != nil {
		a.cfg.Log.Error("writing an update failed", "task", u.Status.TaskID.Value, "err", err)
		return
	}
	body, err := json.Marshal(link.Update{
		AgentID: a.id(), FrameworkID: u.FrameworkID, Status: status, Latest: u.Latest.String(),
	})
	if err != nil {
		a.cfg.Log.Error("writing an update failed", "task", u.Status.TaskID.Value, "err", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	response, err := a.post(ctx, link.UpdatePath, body)
	if err != nil {
		a.cfg.Log.Warn("sending an update failed", "task", u.Status.TaskID.Value, "err", err)
		return
	}
	_ = response.Body.Close()
}

// Unregister takes the agent out for good, as SIGUSR1 does with Mesos.
func (a *Agent) Unregister(ctx context.Context) error {
	body, err := json.Marshal(link.Unregistration{AgentID: a.id()})
	if err != nil {
		return err
	}
	response, err := a.post(ctx, link.UnregisterPath, body)
	if err != nil {
		return err
	}
	for _, c := range a.all() {
		a.discard(ctx, c)
	}
	return response.Body.Close()
}

func (a *Agent) post(ctx context.Context, path string, body []byte) (*http.Response, error) {
	url := "http://" + a.flags.masterAddress() + path
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("posting to the master: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := masterClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("posting to the master: %w", err)
	}
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		_ = response.Body.Close()
		return nil, fmt.Errorf("posting %s to the master: %s: %s", path, response.Status, text)
	}
	return response, nil
}

// masterClient uses no proxy: the master is on the cluster's own network.
var masterClient = &http.Client{Transport: &http.Transport{
	ResponseHeaderTimeout: 10 * time.Second, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 4,
}}
