package decide_test

import (
	"fmt"
	"slices"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// buyer is an agent that carries out orders in the way of the product's buy-volumes, without its guards: whatever the scheduler says is done.
type buyer struct {
	*schedule
	node   *decide.Node
	orders []api.VolumeOrder // as heard last; on disk
	claims []api.DiskClaim
	heard  time.Time
	doing  map[string]*purchase // of this process
	disks  []api.Disk
	sent   *api.Report // before the last one
	away   int         // turns
}

type purchase struct {
	volume string
	asked  time.Time
	since  time.Time // when it wasn't shown first
	state  api.OrderState
	over   bool
}

func newBuyer(r *schedule, n *decide.Node) *buyer {
	return &buyer{schedule: r, node: n, doing: map[string]*purchase{}, disks: slices.Clone(n.Report.Disks)}
}

// turn: one pass, and one report.
func (a *buyer) turn() {
	switch {
	case a.away > 0 && !a.calm:
		a.away--
		return
	case a.happens(150):
		a.away = 1 + a.random.IntN(40)
		return
	case a.happens(40): // the process dies
		a.kills++
		a.doing, a.heard = map[string]*purchase{}, time.Time{}
	}
	a.handOver()
	for _, o := range a.orders {
		a.carryOut(o)
	}
	a.report()
}

// handOver claimed disks: they are in the pool.
func (a *buyer) handOver() {
	for _, c := range a.claims {
		for i := range a.disks {
			d := &a.disks[i]
			if d.ID != c.Disk || d.State == api.DiskAdopted {
				continue
			}
			d.State = api.DiskAdopted
			a.ec2[d.ID].pooled = true
			for j := range a.View.SDSs {
				if sds := &a.View.SDSs[j]; sds.Name == a.node.Name {
					sds.Devices = append(sds.Devices, api.DeviceView{ID: "dev-" + d.ID, SizeBytes: d.SizeBytes})
				}
			}
		}
	}
}

// report to the scheduler, and hear what it says; either may be lost. An older one may come after a newer.
func (a *buyer) report() {
	next := *a.node.Report
	next.Disks, next.Orders = slices.Clone(a.disks), nil
	next.UptimeMS = a.Now.Sub(now).Milliseconds()
	cloud := *next.Cloud
	cloud.SlotsUsed = 2 + len(a.disks)
	next.Cloud = &cloud
	for _, o := range a.orders {
		p := a.purchase(o)
		state := p.state
		state.VolumeID = p.volume
		if a.here(p.volume) >= 0 && !o.Abandon {
			state.Stage, state.Disk, state.Burnt = api.OrderPresent, p.volume, false
		}
		next.Orders = append(next.Orders, state)
	}
	if a.happens(12) {
		a.lost++
		return
	}
	a.heardFrom(&next)
	if a.sent != nil && a.happens(25) {
		a.heardFrom(a.sent)
	}
	a.sent = &next
	a.node.Claims = slices.DeleteFunc(slices.Clone(a.node.Claims), func(c api.DiskClaim) bool {
		return slices.ContainsFunc(a.node.Report.Disks, func(d api.Disk) bool { return d.ID == c.Disk && d.State == api.DiskAdopted })
	})
	if a.happens(12) {
		a.lost++
		return
	}
	a.orders, a.claims, a.heard = decide.OrdersFor(&a.State, a.node), slices.Clone(a.node.Claims), a.Now
	a.offer()
}

// heardFrom it as the scheduler hears.
func (a *buyer) heardFrom(r *api.Report) {
	if !decide.Overtaken(a.node.Report, r) {
		a.node.Report, a.node.SeenAt = r, a.Now
	}
}

// offer what may be used.
func (a *buyer) offer() {
	for i := range a.disks {
		d := &a.disks[i]
		if d.State == api.DiskAdopted {
			continue
		}
		d.State = api.DiskRefused
		if a.Settings.Disks.Use == api.DiskUseAllEmpty || slices.Contains(a.node.Approved, d.ID) {
			d.State = api.DiskOffered
		}
	}
}

func (a *buyer) here(volume string) int {
	return slices.IndexFunc(a.disks, func(d api.Disk) bool { return d.ID == volume && volume != "" })
}

func (a *buyer) purchase(o api.VolumeOrder) *purchase {
	key := fmt.Sprintf("%s.%d.%t", o.Key(), o.Attempt, o.Abandon)
	p := a.doing[key]
	if p == nil {
		p = &purchase{volume: o.VolumeID}
		if o.Abandon {
			if one := a.doing[fmt.Sprintf("%s.%d.false", o.Key(), o.Attempt)]; one != nil && p.volume == "" {
				p.volume = one.volume
			}
		}
		p.state = api.OrderState{Expansion: o.Expansion, Index: o.Index, Attempt: o.Attempt, Stage: api.OrderWaiting, Retry: true}
		a.doing[key] = p
	}
	return p
}

// look for the order's volume as EC2 shows it.
func (a *buyer) look(o api.VolumeOrder, p *purchase) *volume {
	for _, v := range a.ec2 {
		if a.visible(v) && (v.VolumeID == p.volume || p.volume == "" && v.Expansion == o.Expansion && v.Order == fmt.Sprintf("%d.%d", o.Index, o.Attempt)) {
			return v
		}
	}
	return nil
}

func (a *buyer) carryOut(o api.VolumeOrder) {
	p := a.purchase(o)
	if p.over || a.here(p.volume) >= 0 && !o.Abandon {
		return
	}
	v := a.look(o, p)
	switch {
	case o.Abandon:
		a.giveUp(p, v)
	case a.Now.Sub(a.heard) >= api.OrderTTL: // nobody confirmed it lately
	case v == nil && p.volume == "":
		a.create(o, p)
	case v == nil:
		a.missing(o, p)
	default:
		p.volume, p.since = v.VolumeID, time.Time{}
		a.attach(p, v)
	}
}

// create a volume. The answer may be lost, EC2 may refuse, or lose the volume, or show it late.
func (a *buyer) create(o api.VolumeOrder, p *purchase) {
	token := o.ClientToken("c1", a.node.ID)
	id := a.tokens[token]
	if id == "" && a.happens(15) { // EC2 knows a token before it looks for capacity
		p.state.Stage, p.state.Reason, p.state.Retry, p.over = api.OrderFailed, "NoCapacity", false, true
		return
	}
	if p.asked.IsZero() {
		p.asked = a.Now
	}
	switch {
	case id == "":
		a.serial++
		id = fmt.Sprintf("vol-%08x", a.serial)
		v := &volume{order: fmt.Sprintf("%s/%d", o.Expansion, o.Index), shown: a.Now}
		v.OwnedVolume = api.OwnedVolume{VolumeID: id, Node: a.node.ID, Expansion: o.Expansion, Order: fmt.Sprintf("%d.%d", o.Index, o.Attempt), State: "available", Zone: "us-east-1a",
			Type: "gp3", SizeGiB: o.SizeGiB}
		switch {
		case a.happens(4):
			v.shown = a.Now.Add(time.Duration(a.random.IntN(240)) * time.Second)
			a.late++
		case a.happens(12):
			v.gone = true
		}
		a.ec2[id], a.tokens[token] = v, id
	case a.ec2[id].gone:
		if p.volume != "" || a.Now.Sub(p.asked) >= time.Minute {
			p.state.Burnt, p.state.Stage, p.state.Retry, p.over = true, api.OrderWaiting, false, true
			if p.volume != "" {
				p.state.Stage = api.OrderDeleted
			}
		}
		return
	}
	if a.happens(5) {
		a.lost++
		return
	}
	if v := a.ec2[id]; p.volume == id && !v.gone {
		a.attach(p, v)
	}
	p.volume = id
}

// missing: asked for by its token after a while, by the process that bought it.
func (a *buyer) missing(o api.VolumeOrder, p *purchase) {
	if p.since.IsZero() {
		p.since = a.Now
	}
	if a.Now.Sub(p.since) >= time.Minute && !p.asked.IsZero() && a.Now.Sub(p.asked) < time.Hour {
		a.create(o, p)
	}
}

func (a *buyer) attach(p *purchase, v *volume) {
	p.state.Stage = api.OrderCreated
	switch {
	case v.Instance != "":
		p.state.Stage = api.OrderAttached
	case a.happens(12):
		p.state.Stage, p.state.Reason, p.state.Retry, p.over = api.OrderFailed, "LimitReached", false, true
	case a.happens(3): // it takes longer
	default:
		v.State, v.Instance = "in-use", a.node.ID
		a.disks = append(a.disks, api.Disk{ID: v.VolumeID, SizeBytes: int64(v.SizeGiB) << 30, State: api.DiskRefused})
	}
}

// giveUp what an abandoned order left.
func (a *buyer) giveUp(p *purchase, v *volume) {
	end := func(stage api.OrderStage) { p.state.Stage, p.state.Retry, p.over = stage, false, true }
	switch {
	case v == nil && p.since.IsZero():
		p.since = a.Now
	case v == nil && a.Now.Sub(p.since) < time.Minute:
	case v == nil && p.volume != "":
		end(api.OrderKept)
	case v == nil:
		end(api.OrderDeleted)
	case v.Instance != "" && v.Instance != a.node.ID:
		p.volume = v.VolumeID
		end(api.OrderKept)
	case a.Settings.Growth.Node.CleanupFile == "" || a.happens(6):
		p.volume = v.VolumeID
		end(api.OrderKept)
	default:
		p.volume = v.VolumeID
		if v.given {
			a.blame("wrong: %s is deleted, and was handed over", v.VolumeID)
		}
		v.gone = true
		a.deleted++
		if i := a.here(v.VolumeID); i >= 0 {
			a.disks = slices.Delete(a.disks, i, i+1)
		}
		if a.happens(4) { // the process dies before it learns of it
			a.doing = map[string]*purchase{}
			return
		}
		end(api.OrderDeleted)
	}
}
