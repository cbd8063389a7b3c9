package scaleio

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/dell/goscaleio"
	types "github.com/dell/goscaleio/types/v1"
)

// Objects reads everything. It isn't one consistent picture: objects may come and go between its requests.
func (g *GatewayClient) Objects(ctx context.Context) (Objects, error) {
	var o Objects
	var system *goscaleio.System
	err := g.call(ctx, "list systems", func(c *goscaleio.Client) error {
		o.Version = c.GetConfigConnect().Version
		systems, err := c.GetSystems()
		if err != nil {
			return err
		}
		for _, s := range systems {
			if s.ID == g.systemID {
				system = goscaleio.NewSystem(c)
				system.System = s
				o.SystemID, o.SystemName = s.ID, s.Name
				return nil
			}
		}
		return fmt.Errorf("the gateway doesn't show system %s", g.systemID)
	})
	if err != nil {
		return o, err
	}
	for _, part := range []func(context.Context, *goscaleio.System, *Objects) error{g.domains, g.faultSets, g.sdss, g.devices, g.sdcs, g.pools, g.mappings} {
		if err := part(ctx, system, &o); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (g *GatewayClient) domains(ctx context.Context, s *goscaleio.System, o *Objects) error {
	return g.call(ctx, "list protection domains", func(*goscaleio.Client) error {
		all, err := s.GetProtectionDomain("")
		for _, d := range all {
			o.Domains = append(o.Domains, DomainObject{ID: d.ID, Name: d.Name, State: d.ProtectionDomainState})
		}
		return err
	})
}

func (g *GatewayClient) faultSets(ctx context.Context, s *goscaleio.System, o *Objects) error {
	return g.call(ctx, "list fault sets", func(*goscaleio.Client) error {
		all, err := s.GetAllFaultSets()
		for _, f := range all {
			o.FaultSets = append(o.FaultSets, FaultSetObject{ID: f.ID, Name: f.Name, DomainID: f.ProtectionDomainID})
		}
		return err
	})
}

func (g *GatewayClient) sdss(ctx context.Context, s *goscaleio.System, o *Objects) error {
	return g.call(ctx, "list SDSs", func(*goscaleio.Client) error {
		all, err := s.GetAllSds()
		for _, sds := range all {
			o.SDSs = append(o.SDSs, sdsObject(sds))
		}
		return err
	})
}

func (g *GatewayClient) devices(ctx context.Context, s *goscaleio.System, o *Objects) error {
	return g.call(ctx, "list devices", func(*goscaleio.Client) error {
		all, err := s.GetAllDevice()
		for _, d := range all {
			o.Devices = append(o.Devices, deviceObject(d))
		}
		return err
	})
}

func (g *GatewayClient) sdcs(ctx context.Context, s *goscaleio.System, o *Objects) error {
	return g.call(ctx, "list SDCs", func(*goscaleio.Client) error {
		all, err := s.GetSdc()
		for _, c := range all {
			o.SDCs = append(o.SDCs, sdcView(c))
		}
		return err
	})
}

func (g *GatewayClient) pools(ctx context.Context, s *goscaleio.System, o *Objects) error {
	var all []types.StoragePool
	err := g.call(ctx, "list storage pools", func(*goscaleio.Client) error {
		var err error
		all, err = s.GetAllStoragePools()
		return err
	})
	for _, p := range all {
		if err != nil {
			break
		}
		err = g.call(ctx, "read the figures of pool "+p.Name, func(c *goscaleio.Client) error {
			figures, err := goscaleio.NewStoragePoolEx(c, &p).GetStatistics()
			if err == nil {
				o.Pools = append(o.Pools, poolObject(p, figures))
			}
			return err
		})
	}
	return err
}

// refusedLogin reads why; a wrong password is no error but a "no".
func refusedLogin(resp *http.Response, user string) error {
	var said struct {
		Message string `json:"message"`
		Code    int    `json:"errorCode"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("reading why %s isn't let in: %w", user, err)
	}
	if json.Unmarshal(body, &said) != nil {
		said.Message = http.StatusText(resp.StatusCode)
	}
	kind := KindOfText(said.Message)
	if resp.StatusCode == http.StatusUnauthorized || kind == KindNotAuthenticated || kind == KindPasswordChange {
		return nil
	}
	return &CommandError{Command: "gateway login", Code: said.Code, Text: said.Message, Known: kind}
}
