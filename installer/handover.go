package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

// Reasons of a disk's state that no look at the disk itself gives.
const (
	reasonDisksUseNone       = "DisksUseNone"
	reasonWaitingForApproval = "WaitingForApproval"
	reasonNotMatched         = "NotMatched"
	reasonLeftOverIntent     = "LeftOverIntent"
	reasonToBePrepared       = "ToBePrepared"
	reasonBeingAdded         = "BeingAdded"
)

// refusalTTL is how late it may be noticed that what stood against a disk is gone.
const refusalTTL = 5 * time.Minute

// awaitedTTL is the same for a disk that somebody waits for: a person approved it, or an expansion bought it.
const awaitedTTL = 10 * time.Second

// A survey is the node's half of the handover: it sees every disk and says how far on its way into the pool it is. It keeps what was read of them, so
// that a look costs nothing; nothing is handed over on a kept look.
type survey struct {
	disks   Disks
	files   Files
	now     func() time.Time
	bootID  string
	intents intents

	settling settling

	mu       sync.Mutex
	read     map[string]inspection // by key
	verified map[string]inspection // by identity: what the last verification before a handover saw
}

type inspection struct {
	at       time.Time
	kernel   string // name
	refusals []block.Refusal
}

// handOver is what the intent of a handover says beside whose it is.
type handOver struct {
	SizeBytes int64 `json:"sizeBytes"`
	Prepared  bool  `json:"prepared"` // it was verified and may have been reported as prepared: the leader may have added it
}

// A surveyed disk.
type surveyed struct {
	api.Disk
	at       block.Disk
	claim    *api.DiskClaim
	intent   *intent
	handOver handOver
	refusals []block.Refusal
}

// look at every disk.
func (s *survey) look(ctx context.Context, o *orders) ([]surveyed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	disks, err := s.disks.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking at disks: %w", err)
	}
	left, err := s.intents.all(intentHandOverDisk)
	if err != nil {
		return nil, err
	}
	var all []surveyed
	for _, d := range disks {
		if !listed(d) {
			continue
		}
		one := surveyed{at: d, Disk: reported(d)}
		for i := range o.Spec.Claims {
			if c := &o.Spec.Claims[i]; c.Disk == d.ID && c.SizeBytes == d.SizeBytes {
				one.claim = c
			}
		}
		for i := range left {
			if left[i].Subject == d.ID {
				one.intent = &left[i]
				if err := json.Unmarshal(left[i].Detail, &one.handOver); err != nil {
					return nil, fmt.Errorf("reading the intent for disk %s: %w", d.ID, err)
				}
			}
		}
		if err := s.judge(ctx, o, &one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	o.bought(all)
	return all, nil
}

// judge finds the disk's state. What the pool holds is the pool's; what is claimed is told from what was verified last; the rest is read.
func (s *survey) judge(ctx context.Context, o *orders, d *surveyed) error {
	if device, ok := s.adopted(o, d.at); ok {
		d.State, d.DeviceID, d.Message = api.DiskAdopted, device.ID, "device "+device.ID+" of the pool: "+device.State
		return nil
	}
	if d.claim != nil {
		if s.judgeClaimed(d); d.Reason == reasonToBePrepared && s.settling.is(d.at.Kernel, s.now()) {
			d.Reason, d.Message = ReasonSettling, "claimed; "+settlingMessage
		}
		return nil
	}
	if d.intent == nil {
		delete(s.verified, d.ID) // of a claim that is over: the next one begins anew
	}
	ttl := refusalTTL
	if slices.Contains(o.Spec.Disks.Approved, d.ID) {
		ttl = awaitedTTL
	}
	seen, err := s.inspect(ctx, d.at, o.diskRules(), ttl)
	if ctx.Err() != nil {
		return err
	}
	if errors.Is(err, errSettling) {
		d.State, d.Reason, d.Message = api.DiskRefused, ReasonSettling, settlingMessage
		return nil
	}
	if err != nil { // one broken disk must not hide the others
		seen.refusals = []block.Refusal{{Reason: "NotReadable", Message: err.Error()}}
	}
	d.refusals = seen.refusals
	switch {
	case len(seen.refusals) > 0:
		d.State, d.Reason, d.Message = api.DiskRefused, seen.refusals[0].Reason, messages(seen.refusals)
	default:
		d.State, d.Reason, d.Message = allowed(o.Spec.Disks, d.ID)
	}
	if d.intent != nil && len(seen.refusals) > 0 {
		d.State, d.Reason = api.DiskRefused, reasonLeftOverIntent
	}
	return nil
}

// judgeClaimed never calls a disk refused that may be the leader's already: the header of the product on it would look like anybody's data.
func (s *survey) judgeClaimed(d *surveyed) {
	seen, ok := s.verified[d.ID]
	age := s.now().Sub(seen.at)
	switch {
	case ok && len(seen.refusals) > 0 && d.intent != nil && d.handOver.Prepared && age < api.PreparedTTL: // later it is read again: it may have been udev's probing
		d.State, d.Reason = api.DiskClaimed, reasonBeingAdded
		d.refusals, d.Message = seen.refusals, "it was prepared and is no longer empty: the leader's next view tells whether it added it ("+messages(seen.refusals)+")"
	case ok && len(seen.refusals) > 0 && !(d.intent != nil && d.handOver.Prepared):
		d.State, d.Reason = api.DiskRefused, seen.refusals[0].Reason
		d.refusals, d.Message = seen.refusals, "claimed, and not given: "+messages(seen.refusals)
	case ok && d.intent != nil && d.handOver.Prepared && age < api.PreparedTTL:
		d.State, d.PreparedAgeMS, d.Message = api.DiskPrepared, age.Milliseconds(), "verified again and recorded; the leader may add it"
	default:
		d.State, d.Reason, d.Message = api.DiskClaimed, reasonToBePrepared, "claimed by the leader; to be verified again"
	}
}

// inspect reads the disk unless it was read: an empty one is read again only when it changes or is to be prepared, a refused one after a while, too: that who has it
// open lets go of it is no event.
func (s *survey) inspect(ctx context.Context, d block.Disk, rules block.Rules, ttl time.Duration) (inspection, error) {
	key := fmt.Sprintf("%s|%d|%d:%d|%s|%s|%v|%d", d.ID, d.SizeBytes, d.Major, d.Minor, d.Path, s.bootID, rules.AllowTypes, rules.MinSizeBytes)
	settling := s.settling.is(d.Kernel, s.now())
	if seen, ok := s.read[key]; ok && (settling || len(seen.refusals) == 0 || s.now().Sub(seen.at) < ttl) {
		return seen, nil
	}
	if settling {
		return inspection{}, errSettling
	}
	seen := inspection{at: s.now(), kernel: d.Kernel}
	var err error
	if seen.refusals, err = s.disks.Inspect(ctx, d, rules); err != nil {
		return seen, fmt.Errorf("inspecting disk %s (%s): %w", d.ID, d.Path, err)
	}
	if s.read == nil {
		s.read = map[string]inspection{}
	}
	s.read[key] = seen
	return seen, nil
}

// forget what was read of disks that changed since. "" = any did.
func (s *survey) forget(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, seen := range s.read {
		if slices.Contains(names, seen.kernel) || slices.Contains(names, "") {
			delete(s.read, key)
		}
	}
}

// adopted finds the device of our own SDS that lies on the disk: by the name that the leader gave it, which comes from the disk's identity, else by its
// path and size.
func (s *survey) adopted(o *orders, d block.Disk) (api.DeviceView, bool) {
	if o.Storage == nil || o.Storage.SDS == nil || d.ID == "" {
		return api.DeviceView{}, false
	}
	for _, v := range o.Storage.SDS.Devices {
		if v.Name != "" && v.Name == scaleio.DeviceName(d.ID) {
			return v, true
		}
	}
	for _, v := range o.Storage.SDS.Devices {
		if v.Name == "" && s.resolve(v.Path) == d.Path && fits(v.SizeBytes, d.SizeBytes) {
			return v, true
		}
	}
	return api.DeviceView{}, false
}

// resolve a link like /dev/disk/by-id/...
func (s *survey) resolve(p string) string {
	target, err := s.files.Readlink(p)
	if err != nil {
		return p
	}
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(p), target)
	}
	return target
}

// fits: the product keeps a little of a device for itself, and shows whole GB.
func fits(device, disk int64) bool {
	return device <= disk && device >= disk-disk/10
}

// diskRules: the product refuses devices below a size of its own, whatever the policy says.
func (o *orders) diskRules() block.Rules {
	rules := block.Rules{AllowTypes: o.Spec.Disks.AllowTypes, MinSizeBytes: o.Spec.Disks.MinSizeBytes}
	if p, ok := o.pick(scaleio.SDS); ok {
		if l, err := scaleio.LimitsOf(p.Version); err == nil {
			rules.MinSizeBytes = max(rules.MinSizeBytes, l.MinDeviceBytes)
		}
	}
	return rules
}

// allowed applies the policy to an empty disk. An unknown word gives nothing away.
func allowed(policy api.DiskPolicy, id string) (state api.DiskState, reason, message string) {
	approved := slices.Contains(policy.Approved, id)
	switch {
	case policy.Use == api.DiskUseNone:
		return api.DiskRefused, reasonDisksUseNone, "empty; disks.use is none"
	case policy.Use == api.DiskUseAllEmpty || approved:
		return api.DiskOffered, "", "empty and offered to the leader"
	case policy.Use == api.DiskUseMatch:
		if ok, err := path.Match(policy.Match, id); err == nil && ok {
			return api.DiskOffered, "", "empty and offered to the leader"
		}
		return api.DiskRefused, reasonNotMatched, fmt.Sprintf("empty; its identity doesn't match disks.match %q", policy.Match)
	}
	return api.DiskRefused, reasonWaitingForApproval, "empty; a person has to approve it: scaleio-scheduler approve"
}

func messages(refusals []block.Refusal) string {
	texts := make([]string, len(refusals))
	for i, r := range refusals {
		texts[i] = r.Reason + ": " + r.Message
	}
	return strings.Join(texts, "; ")
}

// prepare verifies a claimed disk once more and records that it is handed over. The record comes first: from here on the leader may add the disk.
func (s *survey) prepare(ctx context.Context, o *orders, d surveyed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.intent == nil {
		if err := s.intents.put(intentHandOverDisk, d.ID, handOver{SizeBytes: d.SizeBytes}); err != nil {
			return err
		}
	}
	var seen inspection
	var err error
	if seen.refusals, err = s.disks.Inspect(ctx, d.at, o.diskRules()); err != nil {
		return fmt.Errorf("verifying disk %s (%s) before handing it over: %w", d.ID, d.Path, err)
	}
	seen.at = s.now() // thousands of reads take a spinning disk longer than a verification is valid; nobody could mount it meanwhile, it was open exclusively
	if len(seen.refusals) == 0 {
		if err := s.intents.put(intentHandOverDisk, d.ID, handOver{SizeBytes: d.SizeBytes, Prepared: true}); err != nil {
			return err
		}
	} else if !d.handOver.Prepared { // nobody was ever told that it could be had
		if err := s.intents.clear(intentHandOverDisk, d.ID); err != nil {
			return err
		}
	}
	if s.verified == nil {
		s.verified = map[string]inspection{}
	}
	s.verified[d.ID] = seen
	clear(s.read) // what was kept about it is older
	return nil
}

// drop the record of a handover that is settled: the disk is in the pool, or it is claimed no more and, read anew, still empty.
func (s *survey) drop(ctx context.Context, o *orders, d surveyed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.State != api.DiskAdopted {
		refusals, err := s.disks.Inspect(ctx, d.at, o.diskRules())
		if err != nil {
			return fmt.Errorf("verifying disk %s (%s), which is claimed no more: %w", d.ID, d.Path, err)
		}
		if len(refusals) > 0 {
			clear(s.read) // what was kept about it is out of date
			return nil
		}
	}
	delete(s.verified, d.ID)
	return s.intents.clear(intentHandOverDisk, d.ID)
}
