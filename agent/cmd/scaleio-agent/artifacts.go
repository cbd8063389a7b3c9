package main

import (
	"crypto/tls"
	"errors"
	"net/http"
	"sync"

	"scaleio-framework/agent"
	"scaleio-framework/scheduler/client"
)

// artifactClient lends the newest connection's HTTP client to downloads of packages that lie on the scheduler's side.
type artifactClient struct {
	mu  sync.Mutex
	now *client.Agent
}

// connect makes a client over mTLS with the node's certificate.
func (a *artifactClient) connect(to agent.Target, certificate tls.Certificate) (agent.Scheduler, error) {
	caller, err := client.NewAgent(client.Options{Servers: to.Servers, Cluster: to.Cluster, CA: to.CA, Certificate: &certificate})
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now != nil {
		a.now.Close()
	}
	a.now = caller
	return caller, nil
}

func (a *artifactClient) client() *http.Client { return &http.Client{Transport: a} }

// RoundTrip uses the present connection.
func (a *artifactClient) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	now := a.now
	a.mu.Unlock()
	if now == nil {
		return nil, errors.New("not joined yet: packages of the scheduler can't be fetched")
	}
	return now.HTTP().Transport.RoundTrip(r)
}
