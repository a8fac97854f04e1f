// Package data makes training pairs from photos. Open looks through a folder of high-resolution photos, or through two
// folders paired by name, checks every file, and holds some photos out for validation. Set.Train yields batches of random
// patches, made ahead on workers and the same for a seed whatever the number of workers; Set.Validation yields the held-out photos.
//
// Where there are no low-resolution photos they are made: by resizing (Downscale), or by a chain of random blurs, resizes, noise
// and JPEG compression (Degradation). Networks, losses and normalisation do not live here.
package data
