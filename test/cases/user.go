package cases

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// user is the first user of the cluster: a small Mesos framework that runs one
// command on a node it names, with a volume. It speaks the scheduler API's JSON
// by hand, as it must not share code with the product that it judges.
type user struct {
	client *http.Client
	url    string
	secret string
}

const userPrincipal = "first-user"

// task is one command of the user, on the Mesos agent of that host name.
type task struct {
	name, host, command string
	volume              string // mounted at ./data; "" = none
	gb                  int    // size of the volume; 0 = the driver's default
	user                string // "" = root
	memory              int    // MB; 0 = 64
	fragile             bool   // its framework doesn't checkpoint: a restart of the Mesos agent ends the task
}

// run runs the task to its end. It fails unless the task finished with success.
func (u user) run(ctx context.Context, t task) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the subscription
	session := userSession{user: u, task: t}
	events, err := session.subscribe(ctx)
	if err != nil {
		return fmt.Errorf("running %s on %s: %w", t.name, t.host, err)
	}
	defer events.Close()
	err = session.follow(ctx, bufio.NewReader(events))
	if session.framework.Value != "" {
		farewell, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, session.call(farewell, map[string]any{"type": "TEARDOWN"}))
	}
	if err != nil {
		return fmt.Errorf("running %s on %s: %w", t.name, t.host, err)
	}
	return nil
}

type id struct {
	Value string `json:"value"`
}

type userSession struct {
	user
	task      task
	stream    string
	framework id
	launched  bool
}

type offer struct {
	ID       id     `json:"id"`
	AgentID  id     `json:"agent_id"`
	Hostname string `json:"hostname"`
}

type event struct {
	Type       string
	Subscribed struct {
		FrameworkID id `json:"framework_id"`
	}
	Offers struct{ Offers []offer }
	Update struct {
		Status struct {
			TaskID  id `json:"task_id"`
			AgentID id `json:"agent_id"`
			State   string
			Message string
			UUID    string
		}
	}
	Error struct{ Message string }
}

func (s *userSession) subscribe(ctx context.Context) (io.ReadCloser, error) {
	answer, err := s.post(ctx, map[string]any{
		"type": "SUBSCRIBE",
		"subscribe": map[string]any{"framework_info": map[string]any{
			"name": "first app", "user": "root", "principal": userPrincipal, "checkpoint": !s.task.fragile,
			"roles": []string{"*"}, "capabilities": []any{map[string]string{"type": "MULTI_ROLE"}},
		}},
	})
	if err != nil {
		return nil, err
	}
	s.stream = answer.Header.Get("Mesos-Stream-Id")
	return answer.Body, nil
}

func (s *userSession) call(ctx context.Context, call map[string]any) error {
	call["framework_id"] = s.framework
	answer, err := s.post(ctx, call)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func (s *userSession) post(ctx context.Context, call map[string]any) (*http.Response, error) {
	body, err := json.Marshal(call)
	if err != nil {
		return nil, fmt.Errorf("writing a call: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/v1/scheduler", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("writing a call: %w", err)
	}
	request.SetBasicAuth(userPrincipal, s.secret)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	if s.stream != "" {
		request.Header.Set("Mesos-Stream-Id", s.stream)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("calling the Mesos master: %w", err)
	}
	if answer.StatusCode >= 300 {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
		return nil, fmt.Errorf("calling the Mesos master (%v): %s: %s", call["type"], answer.Status, text)
	}
	return answer, nil
}

// follow reads RecordIO (a length, a line feed, that many bytes) until the task
// ended.
func (s *userSession) follow(ctx context.Context, events *bufio.Reader) error {
	for {
		line, err := events.ReadString('\n')
		if err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		length, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		record := make([]byte, length)
		if _, err := io.ReadFull(events, record); err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		var e event
		if err := json.Unmarshal(record, &e); err != nil {
			return fmt.Errorf("reading an event: %w", err)
		}
		if done, err := s.handle(ctx, e); done || err != nil {
			return err
		}
	}
}

func (s *userSession) handle(ctx context.Context, e event) (done bool, err error) {
	switch e.Type {
	case "SUBSCRIBED":
		s.framework = e.Subscribed.FrameworkID
	case "OFFERS":
		for _, offer := range e.Offers.Offers {
			if err := s.answer(ctx, offer); err != nil {
				return false, err
			}
		}
	case "UPDATE":
		return s.update(ctx, e)
	case "ERROR":
		return false, fmt.Errorf("the Mesos master says: %s", e.Error.Message)
	}
	return false, nil
}

func (s *userSession) answer(ctx context.Context, o offer) error {
	if s.launched || o.Hostname != s.task.host {
		return s.call(ctx, map[string]any{"type": "DECLINE", "decline": map[string]any{
			"offer_ids": []id{o.ID}, "filters": map[string]any{"refuse_seconds": 60},
		}})
	}
	s.launched = true
	return s.call(ctx, map[string]any{"type": "ACCEPT", "accept": map[string]any{
		"offer_ids": []id{o.ID},
		"operations": []any{map[string]any{
			"type":   "LAUNCH",
			"launch": map[string]any{"task_infos": []any{s.task.info(o.AgentID)}},
		}},
	}})
}

func (t task) info(agent id) map[string]any {
	amount := func(name string, value float64) map[string]any {
		return map[string]any{
			"name": name, "type": "SCALAR", "scalar": map[string]any{"value": value},
			"allocation_info": map[string]string{"role": "*"},
		}
	}
	command := map[string]any{"shell": true, "value": t.command}
	if t.user != "" {
		command["user"] = t.user
	}
	info := map[string]any{
		"name": t.name, "task_id": id{t.name + "." + strconv.FormatInt(time.Now().UnixNano(), 36)}, "agent_id": agent,
		"resources": []any{amount("cpus", 0.1), amount("mem", float64(cmp.Or(t.memory, 64)))},
		"command":   command,
	}
	if t.volume != "" {
		info["container"] = t.container()
	}
	return info
}

func (t task) container() map[string]any {
	volume := map[string]any{"driver": "rexray", "name": t.volume}
	if t.gb > 0 {
		volume["driver_options"] = map[string]any{"parameter": []any{map[string]string{"key": "size", "value": strconv.Itoa(t.gb)}}}
	}
	return map[string]any{
		"type": "MESOS",
		"volumes": []any{map[string]any{
			"container_path": "data", "mode": "RW",
			"source": map[string]any{
				"type":          "DOCKER_VOLUME",
				"docker_volume": volume,
			},
		}},
	}
}

func (s *userSession) update(ctx context.Context, e event) (done bool, err error) {
	status := e.Update.Status
	if status.UUID != "" {
		err := s.call(ctx, map[string]any{"type": "ACKNOWLEDGE", "acknowledge": map[string]any{
			"agent_id": status.AgentID, "task_id": status.TaskID, "uuid": status.UUID,
		}})
		if err != nil {
			return false, err
		}
	}
	switch status.State {
	case "TASK_FINISHED":
		return true, nil
	case "TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING":
		return false, nil
	}
	return false, fmt.Errorf("task ended as %s: %s", status.State, status.Message)
}
