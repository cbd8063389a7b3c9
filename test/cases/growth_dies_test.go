//go:build nodes

package cases_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// growsWhileAllDie is one expansion during which the cloud, the scheduler and every agent are killed once each, from when it was decided: the next one when the one
// before is back.
func growsWhileAllDie(t *testing.T, s *cases.Stand) {
	before, err := s.Volumes(t.Context())
	require.NoError(t, err)
	kills := []func(context.Context) error{
		func(ctx context.Context) error {
			if err := s.KillProcess(ctx, "ec2"); err != nil {
				return err
			}
			return s.StartCloud(ctx, build)
		},
		func(ctx context.Context) error {
			if err := s.KillProcess(ctx, "scheduler"); err != nil {
				return err
			}
			if err := s.StartScheduler(ctx); err != nil {
				return err
			}
			return cases.Eventually(ctx, func(ctx context.Context) error {
				_, err := s.Status(ctx)
				return err
			})
		},
	}
	for _, node := range s.Nodes() {
		kills = append(kills, func(ctx context.Context) error {
			before, err := agentPID(ctx, node)
			if err != nil {
				return err
			}
			if _, err := node.Output(ctx, "systemctl", "kill", "--signal=SIGKILL", systemd.AgentUnit); err != nil {
				return err
			}
			return cases.Eventually(ctx, func(ctx context.Context) error {
				switch now, err := agentPID(ctx, node); {
				case err != nil:
					return err
				case now == before || now == "0":
					return fmt.Errorf("the agent of %s doesn't run again", node.Name)
				}
				return nil
			})
		})
	}
	var once sync.Once
	killed := make(chan error, 1)
	err = s.GrowWithin(t.Context(), func(_ *api.GrowthView, story []api.Event) {
		if count(story, "GrowthStarted") < 2 {
			return
		}
		once.Do(func() {
			go func() {
				deaths, cancel := context.WithTimeoutCause(context.WithoutCancel(t.Context()), 2*time.Minute, errors.New("not all are back within 2 minutes"))
				defer cancel()
				for _, die := range kills {
					if err := die(deaths); err != nil {
						killed <- err
						return
					}
				}
				killed <- nil
			}()
		})
	})
	require.NoError(t, err)
	require.NoError(t, <-killed)
	require.NoError(t, s.WaitReady(within(t, 2*time.Minute), nil))
	require.NoError(t, s.BoughtAndPooled(t.Context()))
	after, err := s.Volumes(t.Context())
	require.NoError(t, err)
	story, err := s.Story(t.Context())
	require.NoError(t, err)
	for _, e := range story {
		t.Log(e.Time.Format(time.TimeOnly), e.Node, e.Kind, e.Message, e.Why)
	}
	require.Len(t, after[len(before):], count(story, "GrowthInPool")-len(before), "each volume that was bought is in the pool, once")
}

func agentPID(ctx context.Context, node *nodes.Node) (string, error) {
	pid, err := node.Output(ctx, "systemctl", "show", "--property=MainPID", "--value", systemd.AgentUnit)
	return strings.TrimSpace(pid), err
}

func count(story []api.Event, kind string) (count int) {
	for _, e := range story {
		if e.Kind == kind {
			count++
		}
	}
	return count
}
