package scaleio

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"scaleio-framework/scheduler/api"
)

// GatewayAdmin is the gateway's own administrator, who is nobody to the MDMs. With the certificate check on, a gateway speaks to no MDM whose
// certificate this administrator didn't trust first.
type GatewayAdmin struct {
	Client   *http.Client
	Endpoint string
	Password api.Secret
}

// ReachesMDM says whether the gateway finds an MDM that it trusts: it can tell a wrong password from a right one only then. No secret is needed.
func ReachesMDM(ctx context.Context, client *http.Client, endpoint string) (bool, error) {
	in, err := CheckLogin(ctx, client, endpoint, Credentials{User: "nobody", Password: api.NewSecret("nothing")})
	var refused *CommandError
	switch {
	case errors.As(err, &refused) && refused.Known == KindUnreachable:
		return false, nil
	case err != nil:
		return false, err
	case in:
		return false, errors.New("the gateway lets nobody in without a password")
	}
	return true, nil
}

// HostCertificate is what the MDM at this address shows to the gateway.
func (g GatewayAdmin) HostCertificate(ctx context.Context, ip string) ([]byte, error) {
	body, err := g.session(ctx, func(token string) (*http.Request, error) {
		return g.request(ctx, http.MethodGet, "/api/getHostCertificate/Mdm?host="+url.QueryEscape(ip), token, nil)
	})
	if err != nil {
		return nil, fmt.Errorf("asking the gateway for the certificate of the MDM at %s: %w", ip, err)
	}
	var quoted string
	if json.Unmarshal(body, &quoted) == nil {
		body = []byte(quoted)
	}
	block, _ := pem.Decode(body)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, unknown("the certificate of the MDM at "+ip, string(body), string(body))
	}
	return pem.EncodeToMemory(block), nil
}

// Trust makes the gateway accept an MDM that shows this certificate.
func (g GatewayAdmin) Trust(ctx context.Context, certificate []byte) error {
	_, err := g.session(ctx, func(token string) (*http.Request, error) {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		file, err := w.CreateFormFile("file", "mdm.cer")
		if err != nil {
			return nil, err
		}
		if _, err := file.Write(certificate); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		req, err := g.request(ctx, http.MethodPost, "/api/trustHostCertificate/Mdm", token, &form)
		if err == nil {
			req.Header.Set("Content-Type", w.FormDataContentType())
		}
		return req, err
	})
	if err != nil {
		return fmt.Errorf("making the gateway trust an MDM's certificate: %w", err)
	}
	return nil
}

// session logs in, asks and logs out: the token is good for all of the gateway's configuration.
func (g GatewayAdmin) session(ctx context.Context, make func(token string) (*http.Request, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	login, err := g.request(ctx, http.MethodGet, "/api/gatewayLogin", g.Password.Reveal(), nil)
	if err != nil {
		return nil, err
	}
	body, err := g.do(login)
	if err != nil {
		return nil, err
	}
	token := strings.Trim(strings.TrimSpace(string(body)), `"`)
	if token == "" {
		return nil, errors.New("the gateway gave no token")
	}
	req, err := make(token)
	if err != nil {
		return nil, err
	}
	answer, err := g.do(req)
	if logout, e := g.request(ctx, http.MethodGet, "/api/gatewayLogout", token, nil); e == nil {
		_, _ = g.do(logout) // a token that stays expires by itself
	}
	return answer, err
}

func (g GatewayAdmin) request(ctx context.Context, method, path, secret string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, g.Endpoint+path, body)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(AdminUser, secret)
	return req, nil
}

func (g GatewayAdmin) do(req *http.Request) ([]byte, error) {
	resp, err := g.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode/100 == 2 {
		return body, err
	}
	var said struct {
		Message string `json:"message"`
		Code    int    `json:"errorCode"`
	}
	if json.Unmarshal(body, &said) != nil || said.Message == "" {
		said.Message = http.StatusText(resp.StatusCode)
	}
	return nil, &CommandError{Command: "gateway " + req.URL.Path, Code: said.Code, Text: said.Message, Known: KindOfText(said.Message)}
}
