package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// service is a metadata service in this process: what it isn't told otherwise it answers as EC2's does.
type service struct {
	mu       sync.Mutex
	id       string
	instance string                                            // type
	broken   func(w http.ResponseWriter, r *http.Request) bool // true = it answered, or didn't
	paths    map[string]string
	asked    []string
}

const token = "a-token"

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	how := s.broken
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	if how != nil && how(w, r) {
		return
	}
	if r.URL.Path == "/latest/api/token" && r.Method == http.MethodPut {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
		fmt.Fprint(w, token)
		return
	}
	if r.Header.Get("X-Aws-Ec2-Metadata-Token") != token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch text, ok := s.paths[r.URL.Path]; {
	case r.URL.Path == "/latest/dynamic/instance-identity/document":
		_ = json.NewEncoder(w).Encode(map[string]string{"instanceId": s.id, "instanceType": s.instance, "region": "eu-west-1", "availabilityZone": "eu-west-1a", "accountId": "123456789012"})
	case ok:
		fmt.Fprint(w, text)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// metadata of the service, over connections of this process, so that time may stand still around them.
func (s *service) metadata(t *testing.T, place Place) *Metadata {
	t.Helper()
	conns := make(chan net.Conn)
	done := make(chan struct{})
	server := &http.Server{Handler: s, ErrorLog: nil}
	go func() { _ = server.Serve(pipes{conns, done}) }()
	t.Cleanup(func() { _ = server.Close() })
	return newMetadata(place, "http://metadata", func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case conns <- far:
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.done); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func newService() *service {
	return &service{id: here, instance: "m5.large", paths: map[string]string{}}
}

func TestMetadata_saysWhoThisIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.paths["/latest/meta-data/network/interfaces/macs/"] = "02:29:96:8f:6a:2d/\n02:29:96:8f:6a:2e/\n"
		m := s.metadata(t, Place{EC2: true, InstanceID: here})
		found, err := m.Look(t.Context())
		require.NoError(t, err)
		assert.Equal(t, Instance{ID: here, Type: "m5.large", Region: "eu-west-1", Zone: "eu-west-1a", Account: "123456789012"}, found)
		n, err := m.Interfaces(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, n)
	})
}

// Each failure has a reason of its own, is seen soon, and nothing falls back to the first version.
func TestMetadata_eachFailureHasItsReason(t *testing.T) {
	status := func(method string, code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != method {
				return false
			}
			w.WriteHeader(code)
			return true
		}
	}
	silent := func(method string) func(http.ResponseWriter, *http.Request) bool {
		return func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == method {
				<-r.Context().Done()
			}
			return r.Method == method
		}
	}
	says := func(body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet {
				fmt.Fprint(w, body)
			}
			return r.Method == http.MethodGet
		}
	}
	for name, c := range map[string]struct {
		how  func(http.ResponseWriter, *http.Request) bool
		want string
	}{
		"the token's answer is lost on the way": {silent(http.MethodPut), ReasonHopLimit},
		"no answer":                             {silent(http.MethodGet), ReasonSlow},
		"401 for the token":                     {status(http.MethodPut, 401), ReasonUnauthorized},
		"401 storm":                             {status(http.MethodGet, 401), ReasonUnauthorized},
		"403 for the token: turned off":         {status(http.MethodPut, 403), ReasonForbidden},
		"403":                                   {status(http.MethodGet, 403), ReasonForbidden},
		"404 for the token: not EC2's":          {status(http.MethodPut, 404), ReasonNoVersion2},
		"a token without a life":                {func(w http.ResponseWriter, r *http.Request) bool { fmt.Fprint(w, "<html>"); return true }, ReasonNoVersion2},
		"404":                                   {status(http.MethodGet, 404), ReasonNotFound},
		"500":                                   {status(http.MethodGet, 500), ReasonFailing},
		"blank":                                 {says(""), ReasonBlank},
		"no document":                           {says("<html>"), ReasonUnreadable},
		"a document that lacks everything":      {says("{}"), ReasonBlank},
		"a document that lacks the zone":        {says(`{"instanceId":"` + here + `","region":"eu-west-1","instanceType":"m5.large"}`), ReasonBlank},
		"a document of no instance":             {says(`{"instanceId":"i-fargate","availabilityZone":"a","region":"eu-west-1","instanceType":"m5.large"}`), ReasonBlank},
		"the identity of another, as a container's": {says(`{"instanceId":"` + another + `","availabilityZone":"a","region":"eu-west-1","instanceType":"m5.large"}`), ReasonWrongInstance},
		"redirected": {status(http.MethodGet, 302), ReasonNoVersion2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				s.broken = c.how
				begun := time.Now()
				_, err := s.metadata(t, Place{EC2: true, InstanceID: here}).Look(t.Context())
				var because *MetadataError
				require.ErrorAs(t, err, &because)
				assert.Equal(t, c.want, because.Reason, because.Message)
				assert.LessOrEqual(t, time.Since(begun), metadataLimit)
			})
		})
	}
}

func TestMetadata_slowIsStillAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.broken = func(http.ResponseWriter, *http.Request) bool { time.Sleep(headerLimit * 8 / 10); return false }
		_, err := s.metadata(t, Place{}).Look(t.Context())
		require.NoError(t, err)
	})
}

func TestMetadata_unreachable(t *testing.T) {
	m := newMetadata(Place{}, "http://metadata", func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}
	})
	_, err := m.Look(t.Context())
	var because *MetadataError
	require.ErrorAs(t, err, &because)
	assert.Equal(t, ReasonUnreachable, because.Reason)
	assert.Equal(t, "asking the metadata service: no connection: dial: no route to host", err.Error())
}

func TestMetadata_aTokenThatExpiredIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		m := s.metadata(t, Place{})
		_, err := m.Look(t.Context())
		require.NoError(t, err)
		refused := false
		s.broken = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet && !refused {
				refused = true
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			return false
		}
		_, err = m.Look(t.Context())
		require.NoError(t, err)
		assert.True(t, refused)
	})
}

// The environment's proxy would see token and keys, and answer with its own identity.
func TestMetadata_neverThroughAProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	synctest.Test(t, func(t *testing.T) {
		_, err := newService().metadata(t, Place{}).Look(t.Context())
		require.NoError(t, err)
	})
}

func TestMetadata_offByEnvironment(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		_, err := s.metadata(t, Place{}).Look(t.Context())
		var because *MetadataError
		require.ErrorAs(t, err, &because)
		assert.Equal(t, ReasonMetadataTurned, because.Reason)
		assert.Empty(t, s.asked)
	})
}

func TestMetadata_notices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		m := s.metadata(t, Place{})
		none, err := m.Notices(t.Context())
		require.NoError(t, err)
		assert.Empty(t, none)

		s.paths = map[string]string{
			"/latest/meta-data/spot/instance-action":               `{"action": "terminate", "time": "2026-09-18T08:22:00Z"}`,
			"/latest/meta-data/events/recommendations/rebalance":   `{"noticeTime": "2026-09-18T08:20:00Z"}`,
			"/latest/meta-data/events/maintenance/scheduled":       `[{"NotBefore":"21 Jan 2027 09:00:43 GMT","Code":"system-reboot","State":"active"},{"NotBefore":"21 Jan 2026 09:00:43 GMT","Code":"instance-stop","State":"completed"}]`,
			"/latest/meta-data/autoscaling/target-lifecycle-state": "Terminated",
		}
		all, err := m.Notices(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []Notice{
			{NoticeSpot, "terminate", time.Date(2026, 9, 18, 8, 22, 0, 0, time.UTC)},
			{NoticeRebalance, "rebalance", time.Date(2026, 9, 18, 8, 20, 0, 0, time.UTC)},
			{NoticeScheduled, "system-reboot", time.Date(2027, 1, 21, 9, 0, 43, 0, time.UTC)},
			{NoticeLifecycle, "Terminated", time.Time{}},
		}, all)

		s.paths["/latest/meta-data/autoscaling/target-lifecycle-state"] = "InService"
		s.paths["/latest/meta-data/spot/instance-action"] = "<html>"
		all, err = m.Notices(t.Context())
		require.Error(t, err)
		assert.Len(t, all, 2, "one that can't be read hides no other")
	})
}

func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.paths["/latest/meta-data/network/interfaces/macs/"] = "a/\nb/\nc/\n"
		f := newFake()
		f.put(Volume{ID: "vol-root", Attachments: []Attachment{{Instance: here, Device: "/dev/xvda", State: Attached}}})
		for name, c := range map[string]struct {
			info string
			max  int
		}{
			"shared with two more interfaces and two stores": {"<hypervisor>nitro</hypervisor><ebsInfo><attachmentLimitType>shared</attachmentLimitType><maximumEbsAttachments>27</maximumEbsAttachments></ebsInfo>" +
				"<instanceStorageInfo><nvmeSupport>required</nvmeSupport><disks><item><count>2</count></item></disks></instanceStorageInfo>", 23},
			"of their own": {"<hypervisor>nitro</hypervisor><ebsInfo><attachmentLimitType>dedicated</attachmentLimitType><maximumEbsAttachments>64</maximumEbsAttachments></ebsInfo>", 64},
			"Xen":          {"<hypervisor>xen</hypervisor>", 39},
			"not said":     {"<hypervisor>nitro</hypervisor>", 0},
		} {
			f.typeInfo = c.info
			e := f.client(t)
			e.Metadata = s.metadata(t, Place{})
			slots, err := e.Slots(t.Context())
			require.NoError(t, err, name)
			assert.Equal(t, Slots{Max: c.max, Used: 1, Attached: slots.Attached}, slots, name)
			assert.Len(t, slots.Attached, 1)
		}
	})
}

// The role's keys come from the metadata service; where there is no role, the reason says what to do.
func TestEC2_roleOfTheInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		f := newFake()
		e := f.client(t)
		e.CredentialsFile, e.Metadata = "", s.metadata(t, Place{})
		_, err := e.Tagged(t.Context(), order.Tags)
		require.ErrorIs(t, err, ErrDenied)
		assert.Contains(t, err.Error(), "packaging/iam/node.json")
		assert.Empty(t, f.calls)

		s.paths["/latest/meta-data/iam/security-credentials/"] = "scaleio-node"
		s.paths["/latest/meta-data/iam/security-credentials/scaleio-node"] = `{"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t","Expiration":"` +
			time.Now().Add(6*time.Hour).UTC().Format(time.RFC3339) + `"}`
		_, err = e.Tagged(t.Context(), order.Tags)
		require.NoError(t, err)
	})
}
