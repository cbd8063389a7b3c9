package offers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	mesosgo "github.com/mesos/mesos-go/api/v1/lib"
	mesos "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"scaleio-framework/scheduler"
)

// A session handles the events of one subscription, one at a time.
type session struct {
	driver    *Driver
	sub       *subscription
	handler   scheduler.MesosHandler
	framework *scheduler.Framework
	pending   map[string]scheduler.TaskRef // asked for explicitly and not answered yet
	retry     time.Duration
	explicit  *time.Timer
	implicit  *time.Timer
}

// handle acts on one event, with the updates that wait behind an update; an error ends the subscription. Unknown kinds are passed over: a newer master may send them.
func (s *session) handle(ctx context.Context, event *mesos.Event, behind <-chan *mesos.Event) error {
	switch event.GetType() {
	case mesos.Event_SUBSCRIBED:
		return s.subscribed(ctx, event.GetSubscribed())
	case mesos.Event_OFFERS:
		return s.offers(ctx, event.GetOffers().GetOffers())
	case mesos.Event_UPDATE:
		all, next := gather(event, behind)
		if err := s.updates(ctx, all); err != nil || next == nil {
			return err
		}
		return s.handle(ctx, next, nil)
	case mesos.Event_FAILURE:
		if f := event.GetFailure(); f.GetExecutorID() == nil && f.GetAgentID() != nil {
			s.handler.AgentLost(ctx, f.GetAgentID().GetValue())
		}
	case mesos.Event_ERROR:
		return s.refused(event.GetError().GetMessage())
	}
	return nil
}

func (s *session) subscribed(ctx context.Context, sub *mesos.Event_Subscribed) error {
	id := sub.GetFrameworkID().GetValue()
	master := s.driver.wire.target()
	if s.framework.ID != "" && s.framework.ID != id {
		return &fatalError{fmt.Errorf("the master answered with framework id %s instead of %s", id, s.framework.ID)}
	}
	if err := s.handler.Subscribed(ctx, id, master); err != nil {
		return &fatalError{fmt.Errorf("keeping framework id %s: %w", id, err)}
	}
	s.framework.ID = id
	s.driver.subscribed(id, s.sub.stream)
	for _, task := range s.handler.Tasks() {
		s.pending[task.TaskID] = task
	}
	s.retry = firstReconcile
	if err := s.reconcilePending(ctx); err != nil {
		return err
	}
	return s.call(ctx, calls.Reconcile()) // implicit: whatever runs that the store doesn't know
}

// reconcilePending asks for the tasks that haven't been answered for, with a truncated exponential back-off.
func (s *session) reconcilePending(ctx context.Context) error {
	if len(s.pending) == 0 {
		return nil
	}
	tasks := make(map[string]string, len(s.pending))
	for id, task := range s.pending {
		tasks[id] = task.AgentID
	}
	s.explicit.Reset(s.retry)
	s.retry = min(2*s.retry, lastReconcile)
	return s.call(ctx, calls.Reconcile(calls.ReconcileTasks(tasks)))
}

// offers asks what to do with them and does it: none is ever held.
func (s *session) offers(ctx context.Context, raw []mesosgo.Offer) error {
	plain := make([]scheduler.Offer, len(raw))
	for i := range raw {
		plain[i] = plainOffer(&raw[i])
	}
	answers := s.handler.Offered(ctx, plain)
	declined := map[time.Duration][]mesosgo.OfferID{}
	for i := range raw {
		if i < len(answers) && answers[i].Launch != nil {
			task, err := taskInfo(&raw[i], *answers[i].Launch)
			if err == nil {
				call := calls.Accept(calls.OfferOperations{calls.OpLaunch(task)}.WithOffers(raw[i].ID))
				if err := s.call(ctx, call); err != nil {
					return err
				}
				continue
			}
			s.driver.Log.Error("can't launch from this offer", "agent_id", plain[i].AgentID, "task", answers[i].Launch.TaskID, "err", err)
		}
		refuse := time.Duration(0)
		if i < len(answers) {
			refuse = answers[i].Refuse
		}
		declined[refuse] = append(declined[refuse], raw[i].ID)
	}
	for refuse, ids := range declined {
		if err := s.call(ctx, calls.Decline(ids...).With(calls.RefuseSeconds(refuse))); err != nil {
			return err
		}
	}
	return nil
}

// gather the updates that wait behind this one; next is what came after them.
func gather(first *mesos.Event, events <-chan *mesos.Event) (all []mesosgo.TaskStatus, next *mesos.Event) {
	all = append(all, first.GetUpdate().GetStatus())
	for len(all) < eventBuffer {
		select {
		case event, ok := <-events:
			if !ok || event.GetType() != mesos.Event_UPDATE {
				return all, event
			}
			all = append(all, event.GetUpdate().GetStatus())
		default:
			return all, nil
		}
	}
	return all, nil
}

// updates are handed on together, and acknowledged only after they were stored.
func (s *session) updates(ctx context.Context, all []mesosgo.TaskStatus) error {
	plain := make([]scheduler.TaskUpdate, len(all))
	for i := range all {
		delete(s.pending, all[i].GetTaskID().Value)
		plain[i] = plainUpdate(&all[i])
	}
	if err := s.handler.Updated(ctx, plain...); err != nil {
		return fmt.Errorf("storing %d updates, of task %s first (they will be sent again): %w", len(all), plain[0].TaskID, err)
	}
	for _, status := range all {
		if len(status.GetUUID()) == 0 { // from the master: not to be acknowledged
			continue
		}
		if err := s.call(ctx, calls.Acknowledge(status.GetAgentID().GetValue(), status.GetTaskID().Value, status.GetUUID())); err != nil {
			return err
		}
	}
	return nil
}

// refused turns an ERROR event into the end that it means (recorded, 08, 09).
func (s *session) refused(message string) error {
	switch {
	case strings.Contains(message, "failed over"):
		return &fatalError{scheduler.ErrFailedOver}
	case strings.Contains(message, "has been removed"):
		return &fatalError{scheduler.ErrRemoved}
	}
	return &fatalError{fmt.Errorf("the master refuses this framework: %s", message)}
}

// call sends one call of this subscription. A call that the master refuses is reported and survived; one that shows that the subscription is gone, or that may not have arrived, ends it:
// subscribing again returns every offer and update.
func (s *session) call(ctx context.Context, call *mesos.Call) error {
	call.FrameworkID = &mesosgo.FrameworkID{Value: s.framework.ID}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	response, err := s.driver.wire.post(ctx, call, s.sub.stream)
	if err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxRefusal)) // empty by the recordings; read so that the connection is kept
		return response.Body.Close()
	}
	var refused *refusal
	if !errors.As(err, &refused) {
		return err
	}
	if strings.Contains(refused.text, "didn't match the stream ID") { // another SUBSCRIBE with our id came after ours, and the event that says so is still behind
		return &fatalError{scheduler.ErrFailedOver}
	}
	if refused.status == http.StatusForbidden || refused.status == http.StatusServiceUnavailable || refused.status == http.StatusUnauthorized ||
		strings.Contains(refused.text, "Framework cannot be found") {
		return err
	}
	s.driver.Log.Error("call refused; the subscription goes on", "err", err)
	return nil
}
