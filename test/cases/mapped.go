package cases

import (
	"context"

	"scaleio-framework/test/nodes"
)

// MapByHand makes a volume and maps it to a node: no volume driver knows of it, and none unmaps it.
func (s *Stand) MapByHand(ctx context.Context, volume string, node *nodes.Node) error {
	if _, err := s.scli(ctx, "--add_volume", "--protection_domain_name", "default", "--storage_pool_name", "default", "--size_gb", "8", "--volume_name", volume); err != nil {
		return err
	}
	_, err := s.scli(ctx, "--map_volume_to_sdc", "--volume_name", volume, "--sdc_ip", node.Address)
	return err
}

// UnmapByHand takes it from the node again.
func (s *Stand) UnmapByHand(ctx context.Context, volume string, node *nodes.Node) error {
	_, err := s.scli(ctx, "--unmap_volume_from_sdc", "--volume_name", volume, "--sdc_ip", node.Address, "--i_am_sure")
	return err
}
