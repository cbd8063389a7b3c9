package scaleio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dell/goscaleio"
	types "github.com/dell/goscaleio/types/v1"
)

// LocalGateway is where the leader finds the gateway of its own node. 443 needs root to listen on, so there it is the gateway.
const LocalGateway = "https://127.0.0.1:443"

// goscaleioLock is held by each call of any client: goscaleio's headers are variables of its package and its context is a field, so two calls in one process,
// also through two clients (an old one that still waits, one for another password), would write over each other.
var goscaleioLock sync.Mutex

// A GatewayClient speaks to one gateway as one user; one call at a time in the whole process.
type GatewayClient struct {
	endpoint string
	as       Credentials
	systemID string
	timeout  time.Duration

	client *goscaleio.Client // guarded by goscaleioLock
}

// NewGatewayClient for the system with this id: no other is ever looked at, for goscaleio's search by empty id and name finds any.
func NewGatewayClient(endpoint, systemID string, as Credentials) (*GatewayClient, error) {
	if systemID == "" || endpoint == "" {
		return nil, errors.New("making a gateway client: endpoint and system id are needed")
	}
	if strings.Contains(endpoint, "/api") { // goscaleio cuts the first "/api" out, of the host name too
		return nil, fmt.Errorf("making a gateway client: endpoint %q must not contain /api", endpoint)
	}
	return &GatewayClient{endpoint: endpoint, systemID: systemID, as: as, timeout: CallTimeout}, nil
}

// call does something with the client, logged in. goscaleio itself logs in once more on 401 and then gives up; then so do we, until the next call.
func (g *GatewayClient) call(ctx context.Context, name string, do func(*goscaleio.Client) error) error {
	goscaleioLock.Lock()
	defer goscaleioLock.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.client == nil {
		if err := g.login(ctx); err != nil {
			return fmt.Errorf("logging in to the gateway %s: %w", g.endpoint, gatewayError("login", err))
		}
	}
	err := do(g.client.WithContext(ctx))
	g.client.ResetContext()
	err = gatewayError(name, err)
	if KindOf(err) == KindNotAuthenticated {
		g.client = nil
	}
	return err
}

func (g *GatewayClient) login(ctx context.Context) error {
	client, err := goscaleio.NewClientWithArgs(g.endpoint, "", int64(g.timeout/time.Second), false, false)
	if err != nil {
		return err
	}
	// Without a version the client asks for it right after the login and sends two parts of it, the most that a gateway of 2.0.1 accepts.
	if _, err := client.WithContext(ctx).Authenticate(&goscaleio.ConfigConnect{Endpoint: g.endpoint, Username: g.as.User, Password: g.as.Password.Reveal()}); err != nil {
		return err
	}
	if client.GetToken() == "" { // Authenticate says nil when it can't read the token
		return errors.New("the gateway gave no token")
	}
	if v := client.GetConfigConnect().Version; !knownVersion(v) {
		return unknown("the gateway's version", v, v)
	}
	g.client = client
	return nil
}

// gatewayError gives the product's refusals the same shape as scli's.
func gatewayError(name string, err error) error {
	if err == nil {
		return nil
	}
	if _, is := UnknownDialect(err); is || KindOf(err) != KindUnrecognised {
		return err
	}
	var e *types.Error
	if errors.As(err, &e) {
		text := e.Message
		if len(e.ErrorDetails) > 0 && e.ErrorDetails[0].ErrorMessage != "" {
			text = e.ErrorDetails[0].ErrorMessage
		}
		kind := KindOfText(text)
		if e.HTTPStatusCode == http.StatusUnauthorized && kind == KindUnrecognised {
			kind = KindNotAuthenticated
		}
		return &CommandError{Command: "gateway " + name, Code: e.ErrorCode, Text: text, Known: kind}
	}
	// goscaleio puts some refusals into texts of its own.
	if kind := KindOfText(err.Error()); kind != KindUnrecognised {
		return &CommandError{Command: "gateway " + name, Text: err.Error(), Known: kind}
	}
	return fmt.Errorf("asking the gateway to %s: %w", name, err)
}

// AddDomain makes a protection domain.
func (g *GatewayClient) AddDomain(ctx context.Context, name string) error {
	return g.call(ctx, "add protection domain "+name, func(c *goscaleio.Client) error {
		_, err := goscaleio.NewSystem(c).CreateProtectionDomain(name)
		return err
	})
}

// NewPool says what a storage pool is made with. Zero padding can't be changed once there are devices, so it is given at birth.
type NewPool struct {
	DomainID, Name, MediaType string
	SparePercent              int
	ZeroPadding               bool
}

// AddPool makes a storage pool.
func (g *GatewayClient) AddPool(ctx context.Context, p NewPool) error {
	return g.call(ctx, "add storage pool "+p.Name, func(c *goscaleio.Client) error {
		_, err := domain(c, p.DomainID).CreateStoragePool(&types.StoragePoolParam{Name: p.Name, MediaType: p.MediaType,
			SparePercentage: strconv.Itoa(p.SparePercent), ZeroPaddingEnabled: types.GetBoolType(p.ZeroPadding)})
		return err
	})
}

// SetZeroPadding of a pool that has no devices yet.
func (g *GatewayClient) SetZeroPadding(ctx context.Context, poolID string, on bool) error {
	return g.call(ctx, "set zero padding", func(c *goscaleio.Client) error {
		return domain(c, "").EnableOrDisableZeroPadding(poolID, types.GetBoolType(on))
	})
}

// SetSparePercent of a pool.
func (g *GatewayClient) SetSparePercent(ctx context.Context, poolID string, percent int) error {
	return g.call(ctx, "set spare percentage", func(c *goscaleio.Client) error {
		return domain(c, "").SetSparePercentage(poolID, strconv.Itoa(percent))
	})
}

// AddFaultSet makes a fault set.
func (g *GatewayClient) AddFaultSet(ctx context.Context, domainID, name string) error {
	return g.call(ctx, "add fault set "+name, func(c *goscaleio.Client) error {
		_, err := domain(c, domainID).CreateFaultSet(&types.FaultSetParam{Name: name})
		return err
	})
}

// NewSDS says what an SDS is added with. Its fault set can be given here only, devices only afterwards.
type NewSDS struct {
	DomainID, Name, FaultSetID string
	IPs                        []string
}

// AddSDS adds an SDS whose daemon runs.
func (g *GatewayClient) AddSDS(ctx context.Context, s NewSDS) error {
	sds := &types.Sds{Name: s.Name, FaultSetID: s.FaultSetID}
	for _, ip := range s.IPs {
		sds.IPList = append(sds.IPList, &types.SdsIP{IP: ip, Role: goscaleio.RoleAll})
	}
	return g.call(ctx, "add SDS "+s.Name, func(c *goscaleio.Client) error {
		_, err := domain(c, s.DomainID).CreateSdsWithParams(sds)
		return err
	})
}

// NewDevice says which disk of which SDS joins which pool. Force and takeover flags don't exist here.
type NewDevice struct {
	SDSID, PoolID, Name, Path string
}

// AddDevice gives a disk to the pool. It may take longer than the call waits: look again.
func (g *GatewayClient) AddDevice(ctx context.Context, d NewDevice) error {
	return g.call(ctx, "add device "+d.Name, func(c *goscaleio.Client) error {
		pool := goscaleio.NewStoragePoolEx(c, &types.StoragePool{ID: d.PoolID})
		_, err := pool.AttachDevice(&types.DeviceParam{Name: d.Name, DeviceCurrentPathname: d.Path, SdsID: d.SDSID})
		return err
	})
}

func domain(c *goscaleio.Client, id string) *goscaleio.ProtectionDomain {
	return goscaleio.NewProtectionDomainEx(c, &types.ProtectionDomain{ID: id})
}

// CheckLogin says whether the gateway lets this user in, without touching anybody's session here.
func CheckLogin(ctx context.Context, client *http.Client, endpoint string, as Credentials) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/api/login", nil)
	if err != nil {
		return false, fmt.Errorf("checking the login of %s: %w", as.User, err)
	}
	req.SetBasicAuth(as.User, as.Password.Reveal())
	resp, err := client.Do(req)
	if err != nil {
		return false, fmt.Errorf("checking the login of %s: %w", as.User, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK {
		return true, nil
	}
	return false, refusedLogin(resp, as.User)
}
