package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// An Instance as its identity document shows it.
type Instance struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Region  string `json:"region"`
	Zone    string `json:"zone"`
	Account string `json:"account,omitempty"`
}

// Bounds of the metadata service: it is on this machine's own host, and answers at once or not at all.
const (
	dialLimit     = 250 * time.Millisecond
	headerLimit   = time.Second
	metadataLimit = 5 * time.Second
	answerLimit   = 64 << 10
)

// Metadata is the instance's metadata service, version 2 only: the first version lends the instance's role to whoever makes a program on it fetch a URL.
type Metadata struct {
	place  Place
	client *imds.Client
	role   *imds.Client // for the role's keys: a call of EC2 waits for them, so it tries for itself
}

// NewMetadata makes a client; it calls nobody. endpoint "" = the usual address, and only where the place is EC2.
func NewMetadata(place Place, endpoint string) *Metadata {
	if endpoint == "" && !place.EC2 {
		return nil
	}
	return newMetadata(place, endpoint, (&net.Dialer{Timeout: dialLimit}).DialContext)
}

func newMetadata(place Place, endpoint string, dial func(ctx context.Context, network, address string) (net.Conn, error)) *Metadata {
	// No proxy: to one of the environment the token and the role's keys would be shown, and it would answer with its own identity.
	transport := &http.Transport{DialContext: dial, ResponseHeaderTimeout: headerLimit, MaxIdleConns: 2, IdleConnTimeout: 10 * time.Second}
	doer := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	options := imds.Options{Endpoint: endpoint, EnableFallback: aws.FalseTernary, HTTPClient: traced{doer}}
	return &Metadata{place: place, role: imds.New(options), client: imds.New(options, func(o *imds.Options) { o.Retryer = aws.NopRetryer{} })}
}

// Look asks who this is. Its error is a *MetadataError with the reason.
func (m *Metadata) Look(ctx context.Context) (Instance, error) {
	out, err := retried(ctx, func(ctx context.Context) (*imds.GetInstanceIdentityDocumentOutput, error) {
		return m.client.GetInstanceIdentityDocument(ctx, nil)
	})
	if err != nil {
		return Instance{}, err
	}
	i := Instance{ID: out.InstanceID, Type: out.InstanceType, Region: out.Region, Zone: out.AvailabilityZone, Account: out.AccountID}
	switch {
	case !IsInstanceID(i.ID) || i.Region == "" || i.Zone == "" || i.Type == "":
		return Instance{}, &MetadataError{ReasonBlank, fmt.Sprintf("the identity document lacks something: instance %q, type %q, region %q, zone %q", i.ID, i.Type, i.Region, i.Zone)}
	case m.place.InstanceID != "" && i.ID != m.place.InstanceID:
		return Instance{}, &MetadataError{ReasonWrongInstance, fmt.Sprintf("it speaks of instance %s, the firmware of %s: something stands between (a container's metadata service?)", i.ID, m.place.InstanceID)}
	}
	return i, nil
}

// Interfaces counts the network interfaces that are attached.
func (m *Metadata) Interfaces(ctx context.Context) (int, error) {
	list, err := m.text(ctx, "network/interfaces/macs/")
	if err != nil {
		return 0, fmt.Errorf("counting network interfaces: %w", err)
	}
	return len(strings.Fields(list)), nil
}

// text of one path.
func (m *Metadata) text(ctx context.Context, path string) (string, error) {
	return retried(ctx, func(ctx context.Context) (string, error) {
		out, err := m.client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
		if err != nil {
			return "", err
		}
		defer out.Content.Close()
		text, err := io.ReadAll(io.LimitReader(out.Content, answerLimit))
		return strings.TrimSpace(string(text)), err
	})
}

// retried asks a second time after what may be a hiccup: a token that has just expired, an answer that was late.
func retried[Out any](ctx context.Context, ask func(context.Context) (Out, error)) (out Out, err error) {
	ctx, cancel := context.WithTimeout(ctx, metadataLimit)
	defer cancel()
	for attempt := 1; ; attempt++ {
		how := &trace{}
		out, err = ask(context.WithValue(ctx, traceKey{}, how))
		if err == nil {
			return out, nil
		}
		failed := how.explain(err)
		var because *MetadataError
		if attempt == 2 || !errors.As(failed, &because) || !because.passes() || pause(ctx, dialLimit) != nil {
			return out, failed
		}
	}
}
