package imds

import (
	"net/http"
	"strings"
	"time"
)

// Trouble of a metadata service. Its fields may be combined; the first that applies counts.
type Trouble struct {
	HopLimit bool          `json:"hopLimit,omitempty"` // answers to token requests don't come as far as the caller, as in a container on a bridge
	Silent   bool          `json:"silent,omitempty"`   // no answer comes
	Delay    time.Duration `json:"delay,omitempty"`    // before each answer
	Status   int           `json:"status,omitempty"`   // of each answer but tokens' : 401, 404, 500; 403 = switched off, tokens too
	Blank    bool          `json:"blank,omitempty"`    // 200 and nothing
	Body     string        `json:"body,omitempty"`     // 200 and this: a captive portal, a proxy
	Path     string        `json:"path,omitempty"`     // only paths that contain this meet it
	As       string        `json:"as,omitempty"`       // it speaks of this instance: a proxy of another machine, a container's own service
}

// meet says what the caller gets instead of the right answer (nil = nothing else), or that nothing comes (lost).
func (t Trouble) meet(r *http.Request) (instead *answer, lost bool) {
	if !strings.Contains(r.URL.Path, t.Path) {
		return nil, false
	}
	token := r.URL.Path == tokenPath
	if t.Silent || t.HopLimit && token {
		return nil, true
	}
	if t.Delay > 0 {
		select {
		case <-time.After(t.Delay):
		case <-r.Context().Done():
			return nil, true
		}
	}
	switch {
	case t.Status != 0 && (!token || t.Status == http.StatusForbidden):
		return &answer{status: t.Status}, false
	case t.Blank && !token:
		return &answer{status: http.StatusOK}, false
	case t.Body != "" && !token:
		return &answer{status: http.StatusOK, body: t.Body}, false
	}
	return nil, false
}

func (t Trouble) identity(instance string) string {
	if t.As != "" {
		return t.As
	}
	return instance
}
