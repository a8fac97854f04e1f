package finetune

import (
	"context"

	"github.com/gansr/gansr/finetune/data"
)

// Batch is a batch of pairs of photos.
type Batch = data.Batch

// Source gives a trainer its batches, one after the other, without end: epochs follow each other.
type Source interface {
	// Next returns the next batch. All batches of a source have the same N, H and W. The slices may be used until the next call.
	Next(ctx context.Context) (Batch, error)
	// State returns the position among the batches, so that after Restore the same batches follow.
	State() []byte
	Restore(state []byte) error
	// Len returns the number of batches in an epoch.
	Len() int
}
