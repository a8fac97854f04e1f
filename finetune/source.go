package finetune

import "context"

// Batch is a batch of pairs of photos, NCHW, RGB from 0 (black) to 1 (white): LR is N x 3 x H x W, and HR the same at Scale times its
// height and width.
type Batch struct {
	LR, HR  []float32
	N, H, W int // of LR
}

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
