package imds

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"scaleio-framework/test/aws"
)

// Service of all instances of a cloud.
type Service struct {
	cloud *aws.Cloud

	mu       sync.Mutex
	tokens   map[string]session
	troubles map[string]Trouble
	notices  map[string]Notices
	calls    []Call
}

type session struct {
	instance string
	ends     time.Time
}

// Call that an instance made.
type Call struct {
	Instance string `json:"instance"`
	Method   string `json:"method"`
	Path     string `json:"path"`
	Status   int    `json:"status"` // 0 = never answered
	Token    bool   `json:"token"`  // it came with one
}

// Notices of what will happen to an instance. The zero value is that nothing will.
type Notices struct {
	Spot        *SpotAction        `json:"spot,omitempty"`
	Rebalance   time.Time          `json:"rebalance,omitzero"` // when it was recommended
	Lifecycle   string             `json:"lifecycle,omitempty"`
	Maintenance []MaintenanceEvent `json:"maintenance,omitempty"`
}

// SpotAction as /spot/instance-action has it.
type SpotAction struct {
	Action string    `json:"action"` // terminate, stop, hibernate
	Time   time.Time `json:"time"`
}

// MaintenanceEvent as /events/maintenance/scheduled has it: times are in words, "21 Jan 2027 09:00:43 GMT".
type MaintenanceEvent struct {
	Code        string `json:"Code"` // instance-reboot, system-reboot, system-maintenance, instance-retirement, instance-stop
	Description string `json:"Description"`
	EventID     string `json:"EventId"`
	NotBefore   string `json:"NotBefore"`
	NotAfter    string `json:"NotAfter"`
	State       string `json:"State"` // active, completed, canceled
}

// New serves the instances of a cloud.
func New(cloud *aws.Cloud) *Service {
	return &Service{cloud: cloud, tokens: map[string]session{}, troubles: map[string]Trouble{}, notices: map[string]Notices{}}
}

// SetTrouble for an instance, or for all ("") that have none of their own; the zero Trouble ends it.
func (s *Service) SetTrouble(instance string, t Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubles[instance] = t
}

// SetNotices of an instance.
func (s *Service) SetNotices(instance string, n Notices) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices[instance] = n
}

// Calls so far.
func (s *Service) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// ServeHTTP answers the instance whose address calls; others get nothing, as there is no such service for them.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	for _, i := range s.cloud.Instances() {
		if i.Address != "" && i.Address == host {
			s.serve(i.ID, w, r)
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// For is the service of one instance.
func (s *Service) For(instance string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(instance, w, r) })
}

func (s *Service) serve(instance string, w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	trouble, own := s.troubles[instance]
	if !own || trouble == (Trouble{}) {
		trouble = s.troubles[""]
	}
	s.mu.Unlock()
	call := Call{Instance: instance, Method: r.Method, Path: r.URL.Path, Token: r.Header.Get(tokenHeader) != ""}
	answer, lost := trouble.meet(r)
	if !lost && answer == nil {
		answer = s.answer(trouble.identity(instance), r)
	}
	if answer != nil {
		call.Status = answer.status
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if lost {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	answer.write(w)
}

const (
	tokenPath   = "/latest/api/token"
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	lifeHeader  = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// answer of the service, to be written.
type answer struct {
	status int
	header map[string]string
	body   string
}

func (a *answer) write(w http.ResponseWriter) {
	w.Header().Set("Server", "EC2ws (a stand-in)")
	w.Header().Set("Content-Type", "text/plain")
	for key, value := range a.header {
		w.Header().Set(key, value)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

func (s *Service) answer(instance string, r *http.Request) *answer {
	if r.URL.Path == tokenPath {
		return s.token(instance, r)
	}
	s.mu.Lock()
	session := s.tokens[r.Header.Get(tokenHeader)]
	notices := s.notices[instance]
	s.mu.Unlock()
	if session.instance != instance || time.Now().After(session.ends) {
		return &answer{status: http.StatusUnauthorized}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &answer{status: http.StatusMethodNotAllowed}
	}
	i, ok := s.cloud.Instance(instance)
	if !ok {
		return &answer{status: http.StatusNotFound}
	}
	text, ok := s.look(i, notices, strings.TrimSuffix(r.URL.Path, "/"))
	if !ok {
		return &answer{status: http.StatusNotFound, body: "404 - Not Found"}
	}
	return &answer{status: http.StatusOK, body: text}
}

func (s *Service) token(instance string, r *http.Request) *answer {
	life, err := strconv.Atoi(r.Header.Get(lifeHeader))
	switch {
	case r.Method != http.MethodPut:
		return &answer{status: http.StatusMethodNotAllowed}
	case r.Header.Get("X-Forwarded-For") != "": // a proxy asks
		return &answer{status: http.StatusForbidden}
	case err != nil || life < 1 || life > 21600:
		return &answer{status: http.StatusBadRequest}
	}
	token := "AQAE" + rand.Text() + rand.Text()
	s.mu.Lock()
	s.tokens[token] = session{instance, time.Now().Add(time.Duration(life) * time.Second)}
	s.mu.Unlock()
	return &answer{status: http.StatusOK, header: map[string]string{lifeHeader: strconv.Itoa(life)}, body: token}
}

// look a path up; false = 404.
func (s *Service) look(i aws.Instance, n Notices, path string) (string, bool) {
	region := s.cloud.Region()
	switch path {
	case "/latest/dynamic/instance-identity/document":
		return marshal(map[string]any{
			"accountId": s.cloud.Account(), "architecture": "x86_64", "availabilityZone": i.Zone, "billingProducts": nil, "imageId": "ami-0123456789abcdef0",
			"instanceId": i.ID, "instanceType": i.Type, "pendingTime": i.Launched.UTC().Format(time.RFC3339), "privateIp": i.Address, "region": region, "version": "2017-09-30",
		}), true
	case "/latest/meta-data/instance-id":
		return i.ID, true
	case "/latest/meta-data/instance-type":
		return i.Type, true
	case "/latest/meta-data/local-ipv4":
		return i.Address, i.Address != ""
	case "/latest/meta-data/placement/availability-zone":
		return i.Zone, true
	case "/latest/meta-data/placement/region":
		return region, true
	case "/latest/meta-data/services/domain":
		return "amazonaws.com", true
	case "/latest/meta-data/services/partition":
		return "aws", true
	case "/latest/meta-data/network/interfaces/macs": // each has one interface
		return mac(i.ID) + "/", true
	case "/latest/meta-data/block-device-mapping": // what was there at launch: volumes that are attached later never show here
		return "ami\nroot", true
	case "/latest/meta-data/block-device-mapping/ami", "/latest/meta-data/block-device-mapping/root":
		return "/dev/xvda", true
	case "/latest/meta-data/iam/info":
		return marshal(map[string]string{"Code": "Success", "InstanceProfileArn": fmt.Sprintf("arn:aws:iam::%s:instance-profile/%s", s.cloud.Account(), i.Role)}), true
	case "/latest/meta-data/iam/security-credentials":
		return i.Role, true
	case "/latest/meta-data/iam/security-credentials/" + i.Role:
		return s.credentials(i)
	}
	return n.look(path)
}

// mac is the address of an instance's only network interface.
func mac(id string) string {
	sum := sha256.Sum256([]byte(id))
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", sum[0], sum[1], sum[2], sum[3], sum[4])
}

func (s *Service) credentials(i aws.Instance) (string, bool) {
	k, err := s.cloud.Credentials(i.ID)
	if err != nil {
		return "", false
	}
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	return marshal(map[string]string{"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": stamp(time.Now()), "AccessKeyId": k.AccessKey,
		"SecretAccessKey": k.Secret, "Token": k.Token, "Expiration": stamp(k.Expires)}), true
}

func (n Notices) look(path string) (string, bool) {
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
	switch path {
	case "/latest/meta-data/spot/instance-action":
		if n.Spot == nil {
			return "", false
		}
		return marshal(map[string]string{"action": n.Spot.Action, "time": stamp(n.Spot.Time)}), true
	case "/latest/meta-data/spot/termination-time":
		if n.Spot == nil || n.Spot.Action != "terminate" {
			return "", false
		}
		return stamp(n.Spot.Time), true
	case "/latest/meta-data/events/recommendations/rebalance":
		return marshal(map[string]string{"noticeTime": stamp(n.Rebalance)}), !n.Rebalance.IsZero()
	case "/latest/meta-data/autoscaling/target-lifecycle-state":
		return n.Lifecycle, n.Lifecycle != ""
	case "/latest/meta-data/events/maintenance/scheduled":
		if n.Maintenance == nil {
			return "[]", true
		}
		return marshal(n.Maintenance), true
	}
	return "", false
}

func marshal(v any) string {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // these types always do
	}
	return string(data)
}
