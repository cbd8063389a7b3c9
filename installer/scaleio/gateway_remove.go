package scaleio

import (
	"context"
	"fmt"

	"github.com/dell/goscaleio"
)

// RemoveSDS begins it: the gateway answers at once, the data of its devices moves to others, and the SDS is listed with RemovePending until that is done.
func (g *GatewayClient) RemoveSDS(ctx context.Context, id string) error {
	return g.call(ctx, "remove SDS "+id, func(c *goscaleio.Client) error { return domain(c, "").DeleteSds(id) })
}

// RemoveSDC takes away the entry of a client. One that is connected comes back by itself.
func (g *GatewayClient) RemoveSDC(ctx context.Context, id string) error {
	return g.call(ctx, "remove SDC "+id, func(c *goscaleio.Client) error { return goscaleio.NewSystem(c).DeleteSdc(id) })
}

// mappings counts the volumes, snapshots too, that each SDC has, and sums what they promise.
func (g *GatewayClient) mappings(ctx context.Context, _ *goscaleio.System, o *Objects) error {
	volumes := 0
	for _, p := range o.Pools {
		volumes += p.Figures.Volumes
	}
	if volumes == 0 {
		return nil
	}
	for _, snapshots := range []bool{false, true} {
		err := g.call(ctx, "list volumes", func(c *goscaleio.Client) error {
			all, err := c.GetVolume("", "", "", "", snapshots)
			if err != nil {
				return err
			}
			for _, v := range all {
				if !snapshots { // those share what they hold
					promised(o, v.StoragePoolID, int64(v.SizeInKb)<<10)
				}
				for _, m := range v.MappedSdcInfo {
					if m == nil || m.SdcID == "" {
						return fmt.Errorf("volume %s is mapped to an SDC without an id", v.ID)
					}
					for i := range o.SDCs {
						if o.SDCs[i].ID == m.SdcID {
							o.SDCs[i].Volumes++
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// promised to the users of a pool's volumes: they are thin, so it may be more than there is.
func promised(o *Objects, pool string, bytes int64) {
	for i := range o.Pools {
		if o.Pools[i].ID == pool {
			o.Pools[i].Figures.ProvisionedBytes += bytes
		}
	}
}
