package scheduler

import "scaleio-framework/scheduler/api"

// Bounds of a lexicon: no node may fill it with what it alone says.
const (
	maxWords = 4096
	maxWord  = 256
)

// A lexicon holds each text once: what ten thousand nodes say of themselves is the same few hundred words, and each report brings its own copy of them.
type lexicon map[string]string

func (l lexicon) one(text *string) {
	if known, ok := l[*text]; ok {
		*text = known
		return
	}
	if len(*text) > maxWord {
		return
	}
	if len(l) >= maxWords {
		clear(l) // of what nobody says any more; the rest comes back
	}
	l[*text] = *text
}

// lean makes a report that is kept for long share its words with all others, and gives back the room that decoding left in its lists.
func (l lexicon) lean(r *api.Report) {
	r.Disks = fitted(r.Disks)
	for i := range r.Disks {
		d := &r.Disks[i]
		l.one(&d.Path)
		l.one(&d.Model)
		l.one((*string)(&d.State))
		l.one(&d.Reason)
		l.one(&d.Message)
	}
	for _, text := range []*string{&r.Agent, &r.Version.Cluster, &r.Step, &r.Platform.OS, &r.Platform.Pretty, &r.Platform.Kernel, &r.Platform.Arch, &r.Platform.Reason} {
		l.one(text)
	}
	for i := range r.Trusts {
		l.one(&r.Trusts[i])
	}
}

// fitted has no room to grow.
func fitted[S ~[]E, E any](list S) S {
	if len(list) == cap(list) {
		return list
	}
	return append(make(S, 0, len(list)), list...)
}
