package scheduler

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// grown takes what a look at growth brought: it is stored in this turn, before any node hears of it.
func (b *brain) grown(out decide.GrowthOutcome) {
	for _, e := range out.Expansions {
		b.touched[kindExpansion+e.ID] = true
	}
	for _, id := range out.Dropped {
		b.touched[kindExpansion+id] = true
	}
	for id, disks := range out.Approved {
		if n := b.state.Nodes[id]; n != nil && len(disks) > 0 {
			n.Approved = append(slices.Clone(n.Approved), disks...)
			b.touchNode(n)
		}
	}
	for id, disks := range out.Disapproved {
		if n := b.state.Nodes[id]; n != nil {
			n.Approved = decide.WithoutDisks(n.Approved, disks)
			b.touchNode(n)
		}
	}
	if out.Checked {
		b.state.Cluster.Unchecked = false
		b.touched[keyCluster] = true
	}
	for _, e := range out.Events {
		b.tell(e)
	}
}

// doubtLedger: what was bought since the ledger was written isn't known. Nothing is bought before the cluster's volumes were listed.
func (b *brain) doubtLedger() {
	if c := &b.state.Cluster; !c.Unchecked {
		c.Unchecked, c.UncheckedSince = true, b.state.Now
		b.touched[keyCluster] = true
	}
}

func (b *brain) approveExpansion(ctx context.Context, r api.ApproveRequest) (approved *api.ExpansionView, err error) {
	if r.Author == "" || len(r.Author) > 100 {
		return nil, api.Errorf(api.CodeInvalid, "an expansion costs money: say who approves it (at most 100 characters)")
	}
	err = b.do(ctx, func() error {
		view, out, err := decide.ApproveExpansion(&b.state, r.Expansion, r.Author)
		if err != nil {
			return api.Errorf(api.CodeConflict, "%v", err)
		}
		b.grown(out)
		approved = view
		return nil
	})
	return approved, err
}

// expansion as it is to be stored; nil once it is forgotten.
func (b *brain) expansion(id string) any {
	for _, e := range b.state.Ledger {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// recall an expansion from the store.
func (b *brain) recall(rec store.Record) error {
	e := &decide.Expansion{}
	if err := json.Unmarshal(rec.Value, e); err != nil {
		return err
	}
	now := b.Now()
	e.Decided, e.Started, e.Ended = past(now, e.Decided), past(now, e.Started), past(now, e.Ended)
	for i := range e.Orders {
		e.Orders[i].Since = past(now, e.Orders[i].Since)
	}
	e.Upgrade(&b.state.Settings.Growth)
	b.state.Ledger = append(b.state.Ledger, e)
	return nil
}

func (b *brain) sortLedger() {
	slices.SortFunc(b.state.Ledger, func(x, y *decide.Expansion) int { return cmp.Or(x.Decided.Compare(y.Decided), cmp.Compare(x.ID, y.ID)) })
}
