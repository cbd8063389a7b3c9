package offers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

const (
	apiPath    = "/api/v1/scheduler"
	mediaType  = "application/x-protobuf" // the JSON codec of mesos-go fails on enum values it doesn't know; protobuf keeps going
	streamID   = "Mesos-Stream-Id"
	callLimit  = 15 * time.Second
	maxRecord  = 64 << 20 // 50,000 offers in one event
	maxRefusal = 8 << 10
)

// errNotLeader: the answer was a redirect, or says that there is no leader yet.
var errNotLeader = errors.New("this master doesn't lead")

var (
	errUnknown = errors.New("no Mesos master is known yet")
	errMoved   = errors.New("another Mesos master leads")
)

// wire sends calls to the leading master and remembers which one that is.
type wire struct {
	client    *http.Client
	principal string
	secret    string

	mu      sync.Mutex
	masters []string // http://host:port, as configured or found
	why     error    // there are none
	leader  string   // from a redirect; "" = try the masters in turn
	turn    int
	moved   chan struct{} // closed when another master leads
}

func newWire(masters []string, principal, secret string, transport http.RoundTripper) *wire {
	if transport == nil {
		// No proxy (a master is never behind one), and a dial bound: a dead master costs seconds, not minutes.
		transport = &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext, ResponseHeaderTimeout: callLimit, MaxIdleConnsPerHost: 4}
	}
	return &wire{masters: masters, moved: make(chan struct{}), why: errUnknown, principal: principal, secret: secret, client: &http.Client{Transport: transport,
		// Redirects are followed by us, so that every later call goes to the leader too.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// target is where the next call goes.
func (w *wire) target() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next()
}

func (w *wire) next() string {
	if w.leader != "" {
		return w.leader
	}
	if len(w.masters) == 0 {
		return ""
	}
	return w.masters[w.turn%len(w.masters)]
}

// found masters, the leading one first, by another way than asking them.
func (w *wire) found(masters []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.why = err; len(masters) == 0 || err != nil {
		return // the last known ones stand
	}
	if now := w.next(); now != masters[0] {
		w.leader = ""
		close(w.moved)
		w.moved = make(chan struct{})
	}
	w.masters, w.turn = masters, 0
}

// all masters, in no order of rank.
func (w *wire) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(slices.Values(w.masters))
}

// known says what there is to call, why there may be nothing, and what is closed when another one leads.
func (w *wire) known() (masters int, moved <-chan struct{}, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.masters), w.moved, w.why
}

// redirected takes the leader from a 307: Location is scheme-relative, //host:port/master/api/v1/scheduler (recorded, 29).
func (w *wire) redirected(from, location string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	base, err := url.Parse(from)
	if err != nil {
		return
	}
	to, err := base.Parse(location)
	if err != nil || to.Host == "" || to.Scheme != base.Scheme && base.Scheme == "https" {
		return // never from https to http
	}
	w.leader = to.Scheme + "://" + to.Host
}

// lost forgets the leader and turns to the next configured master.
func (w *wire) lost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leader = ""
	w.turn++
}

// post sends one call. The caller closes the body.
func (w *wire) post(ctx context.Context, call *scheduler.Call, stream string) (*http.Response, error) {
	body, err := call.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", call.GetType(), err)
	}
	to := w.target()
	if to == "" {
		_, _, why := w.known()
		return nil, fmt.Errorf("calling %s: %w", call.GetType(), why)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to+apiPath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", mediaType)
	request.Header.Set("Accept", mediaType)
	if stream != "" {
		request.Header.Set(streamID, stream)
	}
	if w.principal != "" {
		request.SetBasicAuth(w.principal, w.secret)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("calling %s on %s: %w", call.GetType(), to, err)
	}
	if response.StatusCode == http.StatusTemporaryRedirect {
		response.Body.Close()
		w.redirected(to, response.Header.Get("Location"))
		return nil, fmt.Errorf("calling %s on %s: %w", call.GetType(), to, errNotLeader)
	}
	if response.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
		response.Body.Close()
		refused := &refusal{call: call.GetType().String(), master: to, status: response.StatusCode, text: strings.TrimSpace(string(text))}
		return nil, refused
	}
	return response, nil
}

// A refusal is a call that the master answered with an error. It says nothing about the subscription.
type refusal struct {
	call, master, text string
	status             int
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s refused by %s: %d %s", r.call, r.master, r.status, r.text)
}

// subscription is one open event stream.
type subscription struct {
	stream string
	body   io.ReadCloser
	in     *bufio.Reader
}

// subscribe opens the stream, following redirects to the leader at most once per configured master.
func (w *wire) subscribe(ctx context.Context, call *scheduler.Call) (*subscription, error) {
	for tries := 0; ; tries++ {
		response, err := w.post(ctx, call, "")
		if masters, _, _ := w.known(); errors.Is(err, errNotLeader) && tries < masters {
			continue
		}
		if err != nil {
			return nil, err
		}
		stream := response.Header.Get(streamID)
		if stream == "" {
			response.Body.Close()
			return nil, fmt.Errorf("subscribing at %s: the answer has no %s", w.target(), streamID)
		}
		return &subscription{stream, response.Body, bufio.NewReaderSize(response.Body, 64<<10)}, nil
	}
}

// next reads one event.
func (s *subscription) next() (*scheduler.Event, error) {
	frame, err := readRecord(s.in, maxRecord)
	if err != nil {
		return nil, fmt.Errorf("reading the event stream: %w", err)
	}
	event := &scheduler.Event{}
	if err := event.Unmarshal(frame); err != nil {
		return nil, fmt.Errorf("decoding an event: %w", err)
	}
	return event, nil
}
