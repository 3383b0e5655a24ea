package ingest

import "context"

// Turn and Trim let tests do at once what is done once in a while.
func Turn(l *Leases, ctx context.Context) []string { return l.turn(ctx) }
func Trim(b *Buffer, ctx context.Context) error    { return b.trim(ctx, allPartitions) }
