package scheduler

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// rolled takes what a look at the rollout brought: it is stored in this turn, before any node hears of it.
func (b *brain) rolled(out decide.Rolling) {
	for id, turn := range out.Turns {
		if n := b.state.Nodes[id]; n != nil {
			n.Turn = turn
			b.touchNode(n)
		}
	}
	if out.Rollout != nil && out.Rollout != b.state.Rollout {
		for _, r := range []*decide.Rollout{b.state.Rollout, out.Rollout} {
			if r == nil {
				continue
			}
			for version := range r.Versions {
				if b.state.Rollout == nil || !has(b.state.Rollout, version) || !has(out.Rollout, version) {
					b.touched[kindVersion+version] = true
				}
			}
		}
		b.state.Rollout = out.Rollout
		b.touched[keyRollout] = true
	}
	for _, e := range out.Events {
		b.tell(e)
	}
	if out.Again > 0 {
		b.again = sooner(b.again, b.state.Now.Add(out.Again))
	}
}

func has(r *decide.Rollout, version string) bool {
	_, known := r.Versions[version]
	return known
}

// configured compares what the configuration says with what the nodes were told. A scheduler that is being recovered knows that only at the end.
func (b *brain) configured(ctx context.Context) error {
	b.state.Now = b.Now()
	rollout, events := decide.Configured(&b.state)
	for _, v := range rollout.Versions {
		if err := storable(v); err != nil {
			return err
		}
	}
	if b.recovery != nil {
		return nil
	}
	b.rolled(decide.Rolling{Rollout: &rollout, Events: events})
	for version := range rollout.Versions { // where a package is fetched from may have changed
		b.touched[kindVersion+version] = true
	}
	b.offerFormer(rollout)
	return b.store(ctx)
}

// storable: a version of a rollout fits into a record.
func storable(v decide.NodeSettings) error {
	packed, err := pack(v)
	if err == nil && len(packed.Gzip)*4/3 > store.MaxRecord-1000 {
		err = errors.New("they are too many to be remembered: let the manifest list fewer packages and modules")
	}
	if err != nil {
		return fmt.Errorf("keeping manifest and settings of the nodes: %w", err)
	}
	return nil
}

// packed settings: signing keys repeat themselves.
type packed struct {
	Gzip []byte `json:"gzip"`
}

// maxUnpacked bounds what a record may grow to.
const maxUnpacked = 16 << 20

func pack(t decide.NodeSettings) (packed, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	err := json.NewEncoder(w).Encode(t)
	if err == nil {
		err = w.Close()
	}
	return packed{out.Bytes()}, err
}

func (p packed) unpack() (t decide.NodeSettings, err error) {
	r, err := gzip.NewReader(bytes.NewReader(p.Gzip))
	if err != nil {
		return t, err
	}
	return t, json.NewDecoder(io.LimitReader(r, maxUnpacked)).Decode(&t)
}

// recallVersion of the nodes' settings. Before the rollout itself was read there may be some.
func (b *brain) recallVersion(rec store.Record) error {
	var p packed
	if err := json.Unmarshal(rec.Value, &p); err != nil {
		return err
	}
	told, err := p.unpack()
	if err != nil {
		return err
	}
	b.versions[strings.TrimPrefix(rec.Key, kindVersion)] = told
	return nil
}

// rememberRollout puts together what was read; without its versions nobody could say what the nodes were told.
func (b *brain) rememberRollout() error {
	r := b.state.Rollout
	if r == nil {
		return nil
	}
	r.Versions = b.versions
	if !has(r, r.Base) || !has(r, r.Target) {
		return fmt.Errorf("reading the store: %s: %w (versions of the nodes' settings are missing)", keyRollout, store.ErrCorrupt)
	}
	return nil
}

// Rollout does what a person wants of it.
func (b *brain) Rollout(ctx context.Context, r api.RolloutRequest) error {
	if r.Author == "" || len(r.Author) > maxWho {
		return api.Errorf(api.CodeInvalid, "a rollout needs an author (at most %d characters)", maxWho)
	}
	return b.do(ctx, func() error {
		act, kind := decide.ResumeRollout, "RolloutResumed"
		switch r.Action {
		case api.RolloutResume:
		case api.RolloutAbort:
			act, kind = decide.AbortRollout, "RolloutAborted"
		default:
			return api.Errorf(api.CodeInvalid, "%q is neither %s nor %s", r.Action, api.RolloutResume, api.RolloutAbort)
		}
		out, err := act(&b.state)
		if err != nil {
			return api.Errorf(api.CodeInvalid, "%v", err)
		}
		b.rolled(out)
		b.byPerson(nil, kind, r.Author, "", "the rollout of agents and settings")
		return nil
	})
}
