package installer

import "context"

func (o *orders) updateWaiting(context.Context) (version string, waiting bool, err error) {
	return "", false, nil
}
