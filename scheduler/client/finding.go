package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// Bounds of asking Mesos' masters: they know no more than a few frameworks.
const (
	masterLimit  = 5 * time.Second
	masterAnswer = 8 << 20
)

type frameworks struct {
	GetFrameworks struct {
		Frameworks []struct {
			FrameworkInfo struct {
				ID       struct{ Value string } `json:"id"`
				WebUIURL string                 `json:"webui_url"`
			} `json:"framework_info"`
		} `json:"frameworks"`
	} `json:"get_frameworks"`
}

// Find asks the Mesos masters where the scheduler of the framework is now. Whoever answers there still has to show the cluster's certificate, so a
// wrong answer leads nowhere.
func Find(ctx context.Context, hint api.MesosHint) (string, error) {
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext, DisableKeepAlives: true}
	asking := &http.Client{Transport: transport, Timeout: masterLimit} // follows a 307 to the leader, and sends the call again
	var failures []error
	for _, master := range hint.Masters {
		url, err := ask(ctx, asking, master, hint.Framework)
		if err == nil {
			return url, nil
		}
		failures = append(failures, err)
	}
	return "", fmt.Errorf("asking Mesos where the scheduler is: %w", errors.Join(failures...))
}

func ask(ctx context.Context, asking *http.Client, master, framework string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(master, "/")+"/api/v1", bytes.NewReader([]byte(`{"type":"GET_FRAMEWORKS"}`)))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, err := asking.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s (agents ask without a password)", master, response.Status)
	}
	var answer frameworks
	if err := json.NewDecoder(io.LimitReader(response.Body, masterAnswer)).Decode(&answer); err != nil {
		return "", fmt.Errorf("reading the answer of %s: %w", master, err)
	}
	for _, f := range answer.GetFrameworks.Frameworks {
		if f.FrameworkInfo.ID.Value != framework {
			continue
		}
		u, err := url.Parse(f.FrameworkInfo.WebUIURL)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
			return "", fmt.Errorf("%s names %q for framework %s, which is no https URL", master, f.FrameworkInfo.WebUIURL, framework)
		}
		return "https://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
	}
	return "", fmt.Errorf("%s knows no framework %s", master, framework)
}
