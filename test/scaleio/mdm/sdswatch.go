package mdm

import "context"

type sdsWatch struct{ office *office }

func newSDSWatch(o *office) *sdsWatch { return &sdsWatch{o} }

func (w *sdsWatch) run(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
