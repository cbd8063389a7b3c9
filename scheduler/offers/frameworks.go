package offers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"scaleio-framework/scheduler"
)

// maxFrameworks bounds the answer of GET_FRAMEWORKS.
const maxFrameworks = 64 << 20

type frameworksAnswer struct {
	GetFrameworks struct {
		Frameworks []struct {
			Active        bool `json:"active"`
			Connected     bool `json:"connected"`
			FrameworkInfo struct {
				ID        struct{ Value string } `json:"id"`
				Name      string                 `json:"name"`
				Principal string                 `json:"principal"`
				WebUIURL  string                 `json:"webui_url"`
			} `json:"framework_info"`
		} `json:"frameworks"`
	} `json:"get_frameworks"`
}

// Frameworks asks the leading master's operator API which frameworks of this name and principal it knows, completed ones excluded.
func (d *Driver) Frameworks(ctx context.Context, name, principal string) ([]scheduler.KnownFramework, error) {
	var answer frameworksAnswer
	masters, _, err := d.wire.known()
	for range 2 * masters {
		if err = d.operator(ctx, `{"type":"GET_FRAMEWORKS"}`, &answer); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("asking Mesos for frameworks named %q: %w", name, err)
	}
	return answer.known(name, principal), nil
}

// known frameworks of a name and a principal.
func (a frameworksAnswer) known(name, principal string) (known []scheduler.KnownFramework) {
	for _, f := range a.GetFrameworks.Frameworks {
		if f.FrameworkInfo.Name == name && f.FrameworkInfo.Principal == principal {
			known = append(known, scheduler.KnownFramework{ID: f.FrameworkInfo.ID.Value, Active: f.Active, Connected: f.Connected, WebUIURL: f.FrameworkInfo.WebUIURL})
		}
	}
	return known
}

func (d *Driver) operator(ctx context.Context, call string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	from := d.wire.target()
	if from == "" {
		return errUnknown
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, from+"/api/v1", bytes.NewBufferString(call))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	if d.Principal != "" {
		request.SetBasicAuth(d.Principal, d.Secret)
	}
	response, err := d.wire.client.Do(request)
	if err != nil {
		d.wire.lost()
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return json.NewDecoder(io.LimitReader(response.Body, maxFrameworks)).Decode(into)
	case http.StatusTemporaryRedirect:
		d.wire.redirected(from, response.Header.Get("Location"))
		return errNotLeader
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	d.wire.lost()
	return fmt.Errorf("%s answered %d: %s", from, response.StatusCode, bytes.TrimSpace(text))
}
