package aws

import (
	"encoding/base64"
	"maps"
	"slices"
	"time"
)

// Reads is how describing calls differ from the truth.
type Reads struct {
	Lag          time.Duration // what they show is so old
	Jumpy        bool          // each call's lag is anything up to Lag: a later read may show an older state
	InstancesLag time.Duration // of DescribeInstances, which answers from elsewhere
	Page         int           // at most so many things per answer, whatever was asked for; 0 = as EC2
	Sparse       bool          // filters are applied after a page was cut: it may have few things or none, and yet there is a next one
}

// version of a volume as it became at some time; nil = gone.
type version struct {
	at time.Time
	v  *Volume
}

// changed must follow every change of a volume.
func (c *Cloud) changed(id string) {
	now := time.Now()
	next := version{at: now}
	if v := c.state.Volumes[id]; v != nil {
		next.v = v.clone()
	}
	views := append(c.views[id], next)
	oldest := now.Add(-max(c.config.Reads.Lag, c.config.Reads.InstancesLag))
	for len(views) > 1 && !views[1].at.After(oldest) { // no reader sees the first one any more
		views = views[1:]
	}
	c.views[id] = views
	if len(views) == 1 && views[0].v == nil {
		delete(c.views, id)
	}
}

// lag of one reading call.
func (c *Cloud) lag() time.Duration {
	if c.config.Reads.Jumpy && c.config.Reads.Lag > 0 {
		return time.Duration(c.chance.Int64N(int64(c.config.Reads.Lag) + 1))
	}
	return c.config.Reads.Lag
}

// seen are the volumes as they were some time ago, by id.
func (c *Cloud) seen(ago time.Duration) map[string]*Volume {
	at := time.Now().Add(-ago)
	all := map[string]*Volume{}
	for id, views := range c.views {
		for _, view := range slices.Backward(views) {
			if !view.at.After(at) {
				if view.v != nil {
					all[id] = view.v
				}
				break
			}
		}
	}
	return all
}

// window of a list that is read in pages.
type window struct {
	after string // the last name of the page before
	size  int    // 0 = all
}

func (c *Cloud) window(r *request, smallest, largest int) window {
	w := window{size: r.number("MaxResults")}
	if r.form.Has("MaxResults") && w.size < smallest {
		r.fail("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than %d.", w.size, smallest)
	}
	if w.size > largest {
		w.size = largest
	}
	if c.config.Reads.Page > 0 && (w.size == 0 || w.size > c.config.Reads.Page) {
		w.size = c.config.Reads.Page
	}
	after, err := base64.URLEncoding.DecodeString(r.text("NextToken"))
	if err != nil {
		r.fail("InvalidParameterValue", "Invalid value '%s' for NextToken", r.text("NextToken"))
	}
	w.after = string(after)
	return w
}

// cut takes a window's names out of all; keep says which are wanted.
func (w window) cut(all []string, keep func(name string) bool, sparse bool) (names []string, next string) {
	looked := 0
	for _, name := range all {
		if name <= w.after {
			continue
		}
		wanted := keep(name)
		if w.size > 0 && looked == w.size && (wanted || sparse) {
			return names, base64.URLEncoding.EncodeToString([]byte(w.after))
		}
		if wanted {
			names = append(names, name)
		}
		if wanted || sparse {
			looked++
			w.after = name
		}
	}
	return names, ""
}

func sortedIDs[T any](of map[string]T) []string { return slices.Sorted(maps.Keys(of)) }
