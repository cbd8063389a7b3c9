package agent

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/aws"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

const (
	machineID = "0123456789abcdef0123456789abcdef"
	otherID   = "fedcba9876543210fedcba9876543210"
	instance  = "i-0123456789abcdef0"
	another   = "i-0fedcba9876543210"
)

// fakeCloud is what the test sets.
type fakeCloud struct {
	mu       sync.Mutex
	firmware string
	known    aws.Known
	looks    int
	answers  func(n int) aws.Known // of each look; nil = known
	notices  []aws.Notice
	failing  error
	slots    aws.Slots
	asked    []aws.Access
}

func (c *fakeCloud) Firmware() string { return c.firmware }
func (c *fakeCloud) Known() aws.Known {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known
}

func (c *fakeCloud) Look(context.Context) aws.Known {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	if c.answers != nil {
		c.known = c.answers(c.looks)
	}
	return c.known
}

func (c *fakeCloud) Forget() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = aws.Known{Reason: aws.ReasonNotAsked}
	return nil
}

func (c *fakeCloud) Notices(context.Context) ([]aws.Notice, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.notices, c.failing
}

// change while the agent runs.
func (c *fakeCloud) change(what func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	what()
}

// count of looks, and of questions for slots.
func (c *fakeCloud) count() (looks, slots int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.looks, len(c.asked)
}
func (c *fakeCloud) Slots(_ context.Context, by aws.Access) (aws.Slots, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, by)
	return c.slots, c.failing
}

func verified(id string) aws.Known {
	return aws.Known{Instance: aws.Instance{ID: id, Type: "m5.large", Region: "eu-west-1", Zone: "eu-west-1a"}, Verified: true}
}

func silent(id string) aws.Known {
	return aws.Known{Instance: aws.Instance{ID: id}, Reason: aws.ReasonHopLimit, Message: "no answer"}
}

func identify(t *testing.T, files *platformtest.Files, cloud *fakeCloud) api.Identity {
	t.Helper()
	var c Cloud
	if cloud != nil {
		c = cloud
	}
	id, err := Identify(t.Context(), platform.Facts{MachineID: machineID, Hostname: "host"}, files, c, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return id
}

func TestIdentify_firstStart(t *testing.T) {
	for name, c := range map[string]struct {
		cloud *fakeCloud
		want  string
	}{
		"no cloud":                             {nil, machineID},
		"firmware says it, nobody need answer": {&fakeCloud{firmware: instance, known: silent("")}, instance},
		"the metadata service says it":         {&fakeCloud{known: verified(instance)}, instance},
		"it says it late": {&fakeCloud{answers: func(n int) aws.Known {
			if n < 4 {
				return silent("")
			}
			return verified(instance)
		}}, instance},
		"it never says it": {&fakeCloud{known: silent("")}, machineID},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				id := identify(t, platformtest.NewFiles(), c.cloud)
				assert.Equal(t, api.Identity{ID: c.want, Hostname: "host"}, id)
				assert.LessOrEqual(t, time.Since(begun), firstLook)
			})
		})
	}
}

// What a node began as it stays, whatever is or isn't said later.
func TestIdentify_neverChanges(t *testing.T) {
	for name, c := range map[string]struct {
		state string
		cloud *fakeCloud
		want  string
	}{
		"began by machine-id, later on EC2":       {`{"schema":1,"agentUuid":"u","node":"` + machineID + `"}`, &fakeCloud{firmware: instance, known: verified(instance)}, machineID},
		"began by instance id, service is silent": {`{"schema":1,"agentUuid":"u","node":"` + instance + `"}`, &fakeCloud{known: silent(instance)}, instance},
		"began by instance id, no cloud seen":     {`{"schema":1,"agentUuid":"u","node":"` + instance + `"}`, nil, instance},
		"an agent before this one, with a spec":   {`{"schema":1,"agentUuid":"u","spec":{"node":"` + machineID + `"}}`, &fakeCloud{firmware: instance, known: verified(instance)}, machineID},
		"an agent before this one, not joined":    {`{"schema":1,"agentUuid":"u"}`, &fakeCloud{firmware: instance, known: verified(instance)}, machineID},
	} {
		t.Run(name, func(t *testing.T) {
			files := platformtest.NewFiles()
			files.Set(stateFile, c.state, 0o600)
			assert.Equal(t, c.want, identify(t, files, c.cloud).ID)
		})
	}
}

func TestIdentify_isKeptFromTheFirstStart(t *testing.T) {
	files := platformtest.NewFiles()
	start := func(cloud *fakeCloud) string {
		id := identify(t, files, cloud)
		_, err := New(Options{Identity: id, Files: files, Steps: fakeSteps{}, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		return id.ID
	}
	require.Equal(t, instance, start(&fakeCloud{firmware: instance, known: verified(instance)}))
	assert.Equal(t, instance, start(nil), "before it ever joined: the scheduler may have heard of it already")
}

// A node that is known by its machine-id: what was made under another one is a copy's, and the copy begins as itself.
func TestIdentify_anotherMachineID(t *testing.T) {
	for want, cloud := range map[string]*fakeCloud{machineID: nil, instance: {firmware: instance, known: verified(instance)}} {
		files := platformtest.NewFiles()
		files.Set(stateFile, `{"schema":1,"agentUuid":"u","node":"`+otherID+`"}`, 0o600)
		id := identify(t, files, cloud)
		assert.Equal(t, want, id.ID)
		kept, err := remember(files, id.ID, quiet)
		require.NoError(t, err)
		assert.Equal(t, want, kept.Node)
		assert.NotEqual(t, "u", kept.AgentUUID)
	}
}

// The instance that was verified on the original is let go with the rest, or the copy would hold it against itself for ever.
func TestIdentify_aCopyLetsTheInstanceGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files, file := platform.NewFiles(platform.Root(t.TempDir())), StateDir+"/instance.json"
		require.NoError(t, files.MkdirAll(StateDir, 0o700))
		require.NoError(t, files.Write(file, []byte(`{"schema":1,"instance":{"id":"`+instance+`"}}`), 0o600))
		require.NoError(t, files.Write(stateFile, []byte(`{"schema":1,"agentUuid":"u","node":"`+otherID+`"}`), 0o600))
		start := func() (*Agent, api.Identity) {
			machine, err := aws.NewMachine(files, file, aws.Place{EC2: true, InstanceID: another}, "http://127.0.0.1:1")
			require.NoError(t, err)
			id, err := Identify(t.Context(), platform.Facts{MachineID: machineID}, files, machine, quiet)
			require.NoError(t, err)
			a := testAgent(t)
			a.Identity, a.Cloud = id, machine
			return a, id
		}
		start() // and dies before it remembers
		a, id := start()
		assert.Equal(t, another, id.ID)
		_, err := remember(files, id.ID, quiet)
		require.NoError(t, err)
		why, is := a.notItself()
		assert.False(t, is, why)
		_, err = files.Read(file)
		require.ErrorIs(t, err, platform.ErrNotFound)
		a, _ = start()
		why, is = a.notItself()
		assert.False(t, is, why)
	})
}

// A state that speaks of an instance, on a machine that is none: told, and nothing is asked of a cloud.
func TestIdentity_ofAnInstanceOutsideEC2(t *testing.T) {
	for id, told := range map[string]bool{instance: true, machineID: false} {
		a := testAgent(t)
		a.Identity.ID = id
		assert.Equal(t, told, hasCondition(a, api.ConditionInstanceUnverified), id)
		a.Cloud = &fakeCloud{known: verified(instance)}
		assert.False(t, hasCondition(a, api.ConditionInstanceUnverified), id)
	}
}

func TestIdentify_damagedState(t *testing.T) {
	files := platformtest.NewFiles()
	files.Set(stateFile, "{", 0o600)
	_, err := Identify(t.Context(), platform.Facts{MachineID: machineID}, files, nil, slog.New(slog.DiscardHandler))
	require.Error(t, err, "who forgot who it is doesn't choose anew")
}

// An image or a volume that was copied takes the agent's state and key with it. The copy must not speak or act for the machine that it was made of.
func TestIdentity_ofACopy(t *testing.T) {
	for name, c := range map[string]struct {
		began string
		cloud *fakeCloud
		copy  bool
	}{
		"its own":                                    {instance, &fakeCloud{firmware: instance, known: verified(instance)}, false},
		"its own, service silent":                    {instance, &fakeCloud{known: silent(instance)}, false},
		"the service contradicts the firmware":       {instance, &fakeCloud{firmware: instance, known: aws.Known{Instance: aws.Instance{ID: instance}, Reason: aws.ReasonWrongInstance}}, false},
		"another instance by firmware":               {instance, &fakeCloud{firmware: another, known: silent(instance)}, true},
		"another instance by the service":            {instance, &fakeCloud{known: verified(another)}, true},
		"began by machine-id on another instance":    {machineID, &fakeCloud{known: aws.Known{Instance: aws.Instance{ID: instance}, Reason: aws.ReasonInstanceChanged, Message: "this is another"}}, true},
		"began by machine-id, on an instance now":    {machineID, &fakeCloud{known: verified(instance)}, false},
		"began by instance id, machine-id was reset": {instance, &fakeCloud{known: verified(instance)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := testAgent(t)
				files := a.Files.(*platformtest.Files)
				files.Set(stateFile, `{"schema":1,"agentUuid":"u","node":"`+c.began+`"}`, 0o600)
				a.Identity = identify(t, files, c.cloud)
				if c.cloud != nil {
					a.Cloud = c.cloud
				}
				why, is := a.notItself()
				assert.Equal(t, c.copy, is, why)
				_, held := a.brake.Held()
				assert.Equal(t, c.copy, held, "a copy does nothing")
				reason, _, err := a.tryJoin(t.Context())
				require.Error(t, err)
				assert.Equal(t, c.copy, reason == reasonNotItself, "nor does it speak: %s", reason)
				assert.Equal(t, c.copy, hasCondition(a, api.ConditionIdentityConflict))
			})
		})
	}
}

func hasCondition(a *Agent, kind string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.conditionsLocked() {
		if c.Type == kind {
			return true
		}
	}
	return false
}
