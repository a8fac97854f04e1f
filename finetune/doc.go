// Package finetune will train a generator further on a user's photos against a critic, with Wasserstein loss, gradient
// penalty, and content and perceptual losses. It is empty so far.
package finetune
