//go:build nodes

package cases_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
)

// growsWhileAllDie is one expansion during which the cloud, the scheduler and every agent are killed once each, a second apart, from when it was decided.
func growsWhileAllDie(t *testing.T, s *cases.Stand) {
	before, err := s.Volumes(t.Context())
	require.NoError(t, err)
	deaths := []func(context.Context) error{
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
			return s.StartScheduler(ctx)
		},
	}
	for _, node := range s.Nodes() {
		deaths = append(deaths, func(ctx context.Context) error {
			_, err := node.Output(ctx, "systemctl", "kill", "--signal=SIGKILL", "scaleio-agent.service")
			return err
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
				for _, die := range deaths {
					if err := die(context.WithoutCancel(t.Context())); err != nil {
						killed <- err
						return
					}
					time.Sleep(time.Second)
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

func count(story []api.Event, kind string) (count int) {
	for _, e := range story {
		if e.Kind == kind {
			count++
		}
	}
	return count
}
