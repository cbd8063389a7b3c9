package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"scaleio-framework/test/aws"
	"scaleio-framework/test/aws/imds"
)

// root of all paths here: EC2's own API is at /.
const root = "/stand-in/"

// Handler is the cloud's API with the steering beside it.
func Handler(cloud *aws.Cloud, metadata *imds.Service) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", cloud)
	list := func(what string, of func() any) {
		mux.HandleFunc("GET "+root+what, func(w http.ResponseWriter, _ *http.Request) { answer(w, of(), nil) })
	}
	list("volumes", func() any { return cloud.Volumes() })
	list("instances", func() any { return cloud.Instances() })
	list("calls", func() any { return cloud.Calls() })
	list("counts", func() any { return cloud.Counts() })
	list("metadata/calls", func() any { return metadata.Calls() })
	take(mux, "instances", func(spec aws.InstanceSpec) (any, error) { return cloud.AddInstance(spec), nil })
	take(mux, "instances/state", func(s InstanceState) (any, error) {
		cloud.SetInstanceState(s.Instance, s.State)
		return nil, nil
	})
	take(mux, "instances/tags", func(s InstanceTags) (any, error) {
		cloud.TagInstance(s.Instance, s.Tags)
		return nil, nil
	})
	take(mux, "users", func(u User) (any, error) { return cloud.AddUser(u.Role), nil })
	take(mux, "policies", func(p RolePolicies) (any, error) {
		cloud.SetPolicies(p.Role, p.Policies...)
		return nil, nil
	})
	take(mux, "faults", func(f aws.Fault) (any, error) {
		cloud.Inject(f)
		return nil, nil
	})
	take(mux, "heal", func(struct{}) (any, error) {
		cloud.Heal()
		return nil, nil
	})
	take(mux, "quota", func(q aws.Quota) (any, error) {
		cloud.SetQuota(q)
		return nil, nil
	})
	take(mux, "throttle", func(rates map[string]aws.Rate) (any, error) {
		cloud.SetThrottle(rates)
		return nil, nil
	})
	take(mux, "appear", func(takes time.Duration) (any, error) {
		cloud.SetAppear(takes)
		return nil, nil
	})
	take(mux, "metadata/trouble", func(t InstanceTrouble) (any, error) {
		metadata.SetTrouble(t.Instance, t.Trouble)
		return nil, nil
	})
	take(mux, "metadata/notices", func(n InstanceNotices) (any, error) {
		metadata.SetNotices(n.Instance, n.Notices)
		return nil, nil
	})
	return mux
}

// InstanceState to set: running, stopped, terminated.
type InstanceState struct{ Instance, State string }

// InstanceTags to set, besides those that it has.
type InstanceTags struct {
	Instance string
	Tags     map[string]string
}

// User to make, with what a role may do.
type User struct{ Role string }

// RolePolicies are all that a role may do.
type RolePolicies struct {
	Role     string
	Policies []aws.Policy
}

// InstanceTrouble of the metadata service; no instance = all.
type InstanceTrouble struct {
	Instance string
	Trouble  imds.Trouble
}

// InstanceNotices of the metadata service.
type InstanceNotices struct {
	Instance string
	Notices  imds.Notices
}

func take[T any](mux *http.ServeMux, what string, do func(T) (any, error)) {
	mux.HandleFunc("POST "+root+what, func(w http.ResponseWriter, r *http.Request) {
		var asked T
		strict := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&asked); err != nil {
			answer(w, nil, err)
			return
		}
		result, err := do(asked)
		answer(w, result, err)
	})
}

func answer(w http.ResponseWriter, result any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(result)
}

// Client of a cloud in another process.
type Client struct {
	URL  string
	HTTP *http.Client // nil = the default one
}

// Volumes that there are, in truth.
func (c Client) Volumes(ctx context.Context) ([]aws.Volume, error) {
	return get[[]aws.Volume](ctx, c, "volumes")
}

// Instances that were ever launched.
func (c Client) Instances(ctx context.Context) ([]aws.Instance, error) {
	return get[[]aws.Instance](ctx, c, "instances")
}

// Calls so far.
func (c Client) Calls(ctx context.Context) ([]aws.Call, error) {
	return get[[]aws.Call](ctx, c, "calls")
}

// Counts of calls per action.
func (c Client) Counts(ctx context.Context) (map[string]int, error) {
	return get[map[string]int](ctx, c, "counts")
}

// MetadataCalls so far.
func (c Client) MetadataCalls(ctx context.Context) ([]imds.Call, error) {
	return get[[]imds.Call](ctx, c, "metadata/calls")
}

// AddInstance launches one, or finds it by its id.
func (c Client) AddInstance(ctx context.Context, spec aws.InstanceSpec) (aws.Instance, error) {
	return post[aws.Instance](ctx, c, "instances", spec)
}

// SetInstanceState stops, starts or terminates it.
func (c Client) SetInstanceState(ctx context.Context, instance, state string) error {
	return c.tell(ctx, "instances/state", InstanceState{instance, state})
}

// TagInstance sets tags.
func (c Client) TagInstance(ctx context.Context, instance string, tags map[string]string) error {
	return c.tell(ctx, "instances/tags", InstanceTags{instance, tags})
}

// AddUser makes static keys.
func (c Client) AddUser(ctx context.Context, role string) (aws.Credentials, error) {
	return post[aws.Credentials](ctx, c, "users", User{role})
}

// SetPolicies of a role.
func (c Client) SetPolicies(ctx context.Context, role string, policies ...aws.Policy) error {
	return c.tell(ctx, "policies", RolePolicies{role, policies})
}

// Inject a fault.
func (c Client) Inject(ctx context.Context, f aws.Fault) error { return c.tell(ctx, "faults", f) }

// Heal takes all faults back.
func (c Client) Heal(ctx context.Context) error { return c.tell(ctx, "heal", struct{}{}) }

// SetQuota of the account.
func (c Client) SetQuota(ctx context.Context, q aws.Quota) error { return c.tell(ctx, "quota", q) }

// SetThrottle of calls; nil = none.
func (c Client) SetThrottle(ctx context.Context, rates map[string]aws.Rate) error {
	return c.tell(ctx, "throttle", rates)
}

// SetAppear changes how long a machine takes to see a disk that is attached.
func (c Client) SetAppear(ctx context.Context, takes time.Duration) error {
	return c.tell(ctx, "appear", takes)
}

// SetTrouble of an instance's metadata service, or of all ("").
func (c Client) SetTrouble(ctx context.Context, instance string, t imds.Trouble) error {
	return c.tell(ctx, "metadata/trouble", InstanceTrouble{instance, t})
}

// SetNotices of an instance.
func (c Client) SetNotices(ctx context.Context, instance string, n imds.Notices) error {
	return c.tell(ctx, "metadata/notices", InstanceNotices{instance, n})
}

func (c Client) tell(ctx context.Context, what string, body any) error {
	_, err := post[any](ctx, c, what, body)
	return err
}

func get[T any](ctx context.Context, c Client, what string) (T, error) {
	return do[T](ctx, c, http.MethodGet, what, nil)
}

func post[T any](ctx context.Context, c Client, what string, body any) (T, error) {
	data, err := json.Marshal(body)
	if err != nil {
		var none T
		return none, fmt.Errorf("asking the stand-in cloud for %s: %w", what, err)
	}
	return do[T](ctx, c, http.MethodPost, what, data)
}

func do[T any](ctx context.Context, c Client, method, what string, body []byte) (result T, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("asking the stand-in cloud for %s: %w", what, err)
		}
	}()
	request, err := http.NewRequestWithContext(ctx, method, c.URL+root+what, bytes.NewReader(body))
	if err != nil {
		return result, err
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return result, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return result, err
	}
	if response.StatusCode != http.StatusOK {
		return result, errors.New(string(bytes.TrimSpace(text)))
	}
	return result, json.Unmarshal(text, &result)
}
