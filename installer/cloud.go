package installer

import (
	"context"

	"scaleio-framework/platform/aws"
)

// Cloud that this machine is an instance of.
type Cloud interface {
	// Instance that this machine is, as the metadata service verified; an error says why nothing may be bought for it now.
	Instance(ctx context.Context) (string, error)
	// Volumes of the instance, reached in this way. Nothing is asked before the first of its methods is called.
	Volumes(by aws.Access) (Volumes, error)
}

// Volumes is what buying and giving up need of EC2, for this instance alone.
type Volumes interface {
	Tagged(ctx context.Context, tags map[string]string) ([]aws.Volume, error)
	Describe(ctx context.Context, ids ...string) (map[string]aws.Volume, error)
	Create(ctx context.Context, wanted aws.NewVolume) (aws.Volume, error)
	AwaitAvailable(ctx context.Context, ids ...string) (map[string]aws.Volume, error)
	Attach(ctx context.Context, id string) (aws.Attachment, error)
	Detach(ctx context.Context, id string) error
	Delete(ctx context.Context, id string, tags map[string]string) error
	SetDeleteOnTermination(ctx context.Context, id string, on bool) error
}

var _ Volumes = aws.Volumes(nil)
