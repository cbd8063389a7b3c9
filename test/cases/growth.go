package cases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/aws"
)

// Growing gives the configuration of a cluster that grows by itself, within a budget. Times fit a pool that fills within minutes.
func Growing(config Config, packaging string) Config {
	config.Cloud, config.Packaging = true, packaging
	settings := map[string]any{"growth": "auto", "growth-budget": 500, "growth-takes": "1m", "growth-safety": 2, "growth-endpoint": EC2Endpoint, "growth-price-file": priceFile,
		"growth-volume-size": "120GB"}
	for key, value := range config.Scheduler {
		settings[key] = value
	}
	config.Scheduler = settings
	return config
}

// priceFile lies beside the scheduler's configuration: the built-in list doesn't have the stand-in's region.
const priceFile = "prices.json"

func (s *Stand) writePrices() error {
	return os.WriteFile(s.sandbox()+"/"+priceFile, []byte(`{"eu-central-1": {"gp3": {"gib": 0.0952, "iops": 0.006, "freeIops": 3000, "throughput": 0.048, "freeThroughput": 125}}}`+"\n"), 0o600)
}

// AdmitNodes does what the operator does once a scheduler has made a cluster: its instances may buy volumes from now on.
func (s *Stand) AdmitNodes(ctx context.Context, packaging string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("the scheduler doesn't tell its cluster's UUID within 30 s"))
	defer cancel()
	var cluster string
	err := Eventually(ctx, func(ctx context.Context) error {
		status, err := s.Status(ctx)
		cluster = status.Cluster
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.AdmitToCloud(ctx, cluster, packaging)
	return err
}

// Plan asks the scheduler what it would do next.
func (s *Stand) Plan(ctx context.Context) (plan api.PlanStatus, err error) {
	body, err := s.get(ctx, api.PathPlan)
	if err == nil {
		err = json.Unmarshal(body, &plan)
	}
	if err != nil {
		return plan, fmt.Errorf("asking the scheduler for its plan: %w", err)
	}
	return plan, nil
}

// Story are the events of growth, oldest first.
func (s *Stand) Story(ctx context.Context) (story []api.Event, err error) {
	var list api.EventList
	body, err := s.get(ctx, api.PathEvents)
	if err == nil {
		err = json.Unmarshal(body, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("asking the scheduler for its events: %w", err)
	}
	for _, e := range list.Events {
		if strings.HasPrefix(e.Kind, "Growth") {
			story = append(story, e)
		}
	}
	return story, nil
}

// Volumes of the cluster that the cloud has.
func (s *Stand) Volumes(ctx context.Context) (ours []aws.Volume, err error) {
	all, err := s.Cloud().Volumes(ctx)
	for _, v := range all {
		if v.Tags[clusterTag] != "" {
			ours = append(ours, v)
		}
	}
	return ours, err
}

// WaitGrowable until the scheduler sees what could be bought, on every node.
func (s *Stand) WaitGrowable(ctx context.Context) error {
	return Eventually(ctx, func(ctx context.Context) error {
		plan, err := s.Plan(ctx)
		switch {
		case err != nil:
			return err
		case plan.Growth == nil || plan.Growth.Next == nil || len(plan.Growth.Next.Orders) == 0:
			return fmt.Errorf("the scheduler sees nothing that could be bought: %+v", plan.Growth)
		}
		return nil
	})
}

// Grow lets an app fill the pool until the cluster has bought volumes and has them in its pool, while the app goes on writing. show is told of every look.
func (s *Stand) Grow(ctx context.Context, show func(*api.GrowthView, []api.Event)) error {
	return s.GrowAt(ctx, 78, show)
}

// GrowAt is Grow by an app that fills the pool to so many percent.
func (s *Stand) GrowAt(ctx context.Context, percent int, show func(*api.GrowthView, []api.Event)) error {
	before, err := s.Status(ctx)
	if err != nil {
		return err
	}
	ended, err := s.ended(ctx)
	if err != nil {
		return err
	}
	filler, err := s.StartFiller(ctx, s.Nodes()[len(s.Nodes())-1], percent)
	if err != nil {
		return err
	}
	err = Eventually(ctx, func(ctx context.Context) error {
		if err := filler.Ended(); err != nil {
			return errors.Join(errFinal, err)
		}
		plan, err := s.Plan(ctx)
		if err != nil {
			return err
		}
		story, err := s.Story(ctx)
		if err != nil {
			return err
		}
		if show != nil && plan.Growth != nil {
			show(plan.Growth, story)
		}
		if now, err := s.ended(ctx); err != nil || now == ended {
			return errors.Join(err, fmt.Errorf("no expansion has ended: %s", tell(story)))
		}
		return s.grown(ctx, before)
	})
	return errors.Join(err, filler.Stop(context.WithoutCancel(ctx)))
}

// ended expansions.
func (s *Stand) ended(ctx context.Context) (count int, err error) {
	story, err := s.Story(ctx)
	for _, e := range story {
		if e.Kind == "GrowthEnded" {
			count++
		}
	}
	return count, err
}

// grown: the pool has more capacity than before, and everything that was bought is in it.
func (s *Stand) grown(ctx context.Context, before api.ClusterStatus) error {
	status, err := s.Status(ctx)
	switch {
	case err != nil:
		return err
	case status.Storage == nil || status.Storage.Pool == nil:
		return errors.New("the leader shows no pool")
	case status.Storage.Pool.RawBytes <= before.Storage.Pool.RawBytes:
		return fmt.Errorf("the pool has %d bytes, as before", status.Storage.Pool.RawBytes)
	}
	return s.BoughtAndPooled(ctx)
}

// BoughtAndPooled fails unless every volume that the cluster bought is a device of the pool, on the node that bought it, and in three fault units.
func (s *Stand) BoughtAndPooled(ctx context.Context) error {
	volumes, err := s.Volumes(ctx)
	if err != nil {
		return err
	}
	instances, err := s.Cloud().Instances(ctx)
	if err != nil {
		return err
	}
	machines, zones := map[string]string{}, map[string]bool{}
	for _, i := range instances {
		machines[i.ID] = i.Machine
	}
	for _, v := range volumes {
		if v.Attachment == nil || v.State != aws.InUse {
			return fmt.Errorf("volume %s is %s and paid for", v.ID, v.State)
		}
		node := s.Node(machines[v.Attachment.Instance])
		if node == nil {
			return fmt.Errorf("volume %s is attached to %s", v.ID, v.Attachment.Instance)
		}
		devices, err := s.devicesOf(ctx, node)
		if err != nil {
			return err
		}
		if !slices.Contains(devices, v.Attachment.Device) {
			return fmt.Errorf("volume %s is %s of %s and not in the pool: %v", v.ID, v.Attachment.Device, node.Name, devices)
		}
		zones[v.Zone] = true
	}
	if len(zones) < 3 {
		return fmt.Errorf("%d volumes in %d zones were bought", len(volumes), len(zones))
	}
	return nil
}

// tell a story in one line.
func tell(story []api.Event) string {
	var kinds []string
	for _, e := range story {
		kinds = append(kinds, e.Kind)
	}
	return strings.Join(kinds, ", ")
}

// growWithin bounds the act: filling takes two or three minutes on 2 cores, a decision half a minute of samples, volumes seconds.
const growWithin = 8 * time.Minute

// GrowWithin is Grow with what comes before it and a bound.
func (s *Stand) GrowWithin(ctx context.Context, show func(*api.GrowthView, []api.Event)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, growWithin, fmt.Errorf("not within %v", growWithin))
	defer cancel()
	if err := s.WaitGrowable(ctx); err != nil {
		return err
	}
	return s.Grow(ctx, show)
}
