package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"scaleio-framework/platform"
)

// Bounds of a call: an attempt, and all of them with the pauses between.
const (
	attemptLimit = 30 * time.Second
	callLimit    = 2 * time.Minute
	attempts     = 4
)

// Access is how EC2 is reached: settings that operators have.
type Access struct {
	Endpoint        string // "" = the region's
	CredentialsFile string // on this machine; "" = the instance's role
}

// EC2Options of a client.
type EC2Options struct {
	Access
	Self     func(ctx context.Context) (Instance, error) // who this is, verified; its error ends every call
	Metadata *Metadata                                   // where the role's credentials come from
	Files    *platform.Files
	HTTP     aws.HTTPClient // nil = the usual one, proxies of the environment included
}

// EC2 is the real thing, for this instance. What it needs is made at the first call.
type EC2 struct {
	EC2Options
	reads, writes *pace

	mu          sync.Mutex
	made        *ec2.Client
	madeFor     Instance
	credentials *aws.CredentialsCache
	room        map[string]room // by instance type
	names       deviceNames
}

var _ Volumes = (*EC2)(nil)

// NewEC2 makes a client; it calls nobody.
func NewEC2(o EC2Options) *EC2 {
	return &EC2{EC2Options: o, reads: newPace(readsPerSecond, readsAtOnce), writes: newPace(writesPerSecond, writesAtOnce), room: map[string]room{}}
}

// self is who asks.
func (e *EC2) self(ctx context.Context, op string) (Instance, error) {
	self, err := e.Self(ctx)
	if err != nil {
		return self, &Error{Op: op, Message: strings.TrimPrefix(err.Error(), ErrUnverified.Error()+": "), Kind: ErrUnverified}
	}
	return self, nil
}

// client for this instance's region, made at its first use: the SDK's tables cost memory that a node without growth never pays.
func (e *EC2) client(ctx context.Context, op string) (*ec2.Client, error) {
	self, err := e.self(ctx, op)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.made != nil && e.madeFor.ID == self.ID && e.madeFor.Region == self.Region {
		return e.made, nil
	}
	e.credentials = credentialsOf(e.CredentialsFile, e.Files, e.Metadata)
	options := ec2.Options{Region: self.Region, Credentials: e.credentials, Retryer: aws.NopRetryer{}, HTTPClient: e.HTTP}
	if e.Endpoint != "" {
		options.BaseEndpoint = aws.String(e.Endpoint)
	}
	if options.HTTPClient == nil {
		options.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost, t.IdleConnTimeout = 2, 30*time.Second })
	}
	e.made, e.madeFor = ec2.New(options), self
	return e.made, nil
}

// an operation of the SDK's client: (*ec2.Client).AttachVolume ...
type operation[In, Out any] func(*ec2.Client, context.Context, In, ...func(*ec2.Options)) (Out, error)

// ask makes one call of EC2, again after what passes by itself: throttling, no answer, a clock that was wrong.
func ask[In, Out any](ctx context.Context, e *EC2, op string, at *pace, call operation[In, Out], in In) (Out, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	for attempt := 1; ; attempt++ {
		out, err := once(ctx, e, op, at, call, in)
		if err == nil || attempt == attempts || ctx.Err() != nil || !passes(err, attempt) {
			return out, err
		}
		if pause(ctx, backOff(attempt)) != nil {
			return out, err
		}
	}
}

func once[In, Out any](ctx context.Context, e *EC2, op string, at *pace, call operation[In, Out], in In) (out Out, err error) {
	client, err := e.client(ctx, op)
	if err != nil {
		return out, err
	}
	if err := at.wait(ctx); err != nil {
		return out, &Error{Op: op, Message: "it throttled us, so it is asked less often: no turn in time", Kind: ErrThrottled}
	}
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	out, err = call(client, ctx, in)
	err = classify(op, err)
	switch {
	case errors.Is(err, ErrThrottled):
		at.throttled()
	case errors.Is(err, ErrDenied):
		e.forgetKeys() // exchanged ones are looked for at once
	case err == nil:
		at.answered()
	}
	return out, err
}

func (e *EC2) forgetKeys() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.credentials.Invalidate()
}

// passes says whether asking again may help: a denial only once, where a clock or exchanged keys may be the cause.
func passes(err error, attempt int) bool {
	var answer *Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Kind {
	case ErrThrottled, ErrUnavailable:
		return true
	case ErrDenied:
		return attempt == 1 && (clockCodes[answer.Code] || strings.HasPrefix(answer.Code, "ExpiredToken"))
	}
	return false
}

// conflict that was found by looking.
func conflict(op, format string, a ...any) error {
	return &Error{Op: op, Message: fmt.Sprintf(format, a...), Kind: ErrConflict}
}
