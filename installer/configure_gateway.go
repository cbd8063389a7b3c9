package installer

import (
	"context"
	"errors"
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
)

// gatewayConfigured is the fact that the gateway knows the managers and checks their certificate.
type gatewayConfigured struct {
	files Files
	units Units
	want  [][2]string
}

func configureGateway(o *orders) step.Step {
	return gatewayConfigured{o.sys.Files, o.sys.Units, [][2]string{
		{scaleio.KeyGatewayMDMs, strings.Join(o.managers(), ",")},
		{scaleio.KeyGatewayBypass, "false"},
	}}
}

func (gatewayConfigured) Name() string { return "configure-gateway" }

func (s gatewayConfigured) Check(context.Context) (step.Finding, error) {
	text, err := s.files.Read(scaleio.PathGatewayUser)
	if errors.Is(err, platform.ErrNotFound) {
		return step.Wait("NoGateway", "%s isn't there yet", scaleio.PathGatewayUser), nil
	} else if err != nil {
		return step.Finding{}, err
	}
	for _, kv := range s.want {
		if have := properties(text).get(kv[0]); have != kv[1] {
			return step.Need("OtherValue", "%s is %q, wanted %q", kv[0], have, kv[1]), nil
		}
	}
	return step.OK("%s=%s", s.want[0][0], s.want[0][1]), nil
}

// Apply stops the gateway before it writes: one that was cut off from its restart would go on with what it read at its start.
func (s gatewayConfigured) Apply(ctx context.Context) error {
	text, err := s.files.Read(scaleio.PathGatewayUser)
	if err != nil {
		return err
	}
	mode, _, err := s.files.Stat(scaleio.PathGatewayUser)
	if err != nil {
		return err
	}
	for _, kv := range s.want {
		text = properties(text).set(kv[0], kv[1])
	}
	ran, err := stopActive(ctx, s.units, scaleio.UnitGateway)
	if err != nil {
		return err
	}
	if err := s.files.Write(scaleio.PathGatewayUser, text, mode.Perm()); err != nil {
		return err
	}
	if !ran {
		return nil // run-gateway starts it
	}
	return s.units.Start(ctx, scaleio.UnitGateway)
}
