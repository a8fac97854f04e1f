// Package finetune trains a generator further on a user's photos: against a critic, with content losses, or both.
//
// A [Task] holds the models, as ONNX files hold them, and a [Source] of batches; a [Config] holds the settings, of which [Course] and
// [Photo] are two complete sets. [New] makes a [Trainer], whose Run does the training, and whose SaveGenerator writes the same ONNX
// graph with new weights. Package finetune/data makes batches of folders of photos.
//
// Networks are trained in float32. The same seed, batches, number of workers and CPU path give the same bits; a training that goes on from a
// checkpoint gives those of one that was not interrupted.
package finetune
