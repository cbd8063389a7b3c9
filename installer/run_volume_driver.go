package installer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
)

// runVolumeDriver asks each of REX-Ray's sockets what it is.
func runVolumeDriver(o *orders) step.Step {
	return newRunUnit(o, "run-volume-driver", unitREXRay, time.Minute, func(ctx context.Context) error {
		for _, m := range pluginModules {
			if _, _, err := o.sys.Files.Stat(m.socket); err != nil {
				if errors.Is(err, platform.ErrNotFound) {
					return fmt.Errorf("there is no socket %s", m.socket)
				}
				return err
			}
			q := Question{Method: http.MethodPost, URL: "http://plugin/Plugin.Activate", Socket: m.socket}
			if _, err := o.opts.Ask(ctx, q); err != nil {
				return fmt.Errorf("socket %s: %w", m.socket, err)
			}
		}
		return nil
	})
}
