#!/usr/bin/env python3
"""Writes the networks of this folder as tf2onnx converts them from Keras, each with what TensorFlow computes.

usage: make.py        in this folder; it needs the Python packages tensorflow and tf2onnx (written with 2.21 and 1.17)

NAME.onnx takes photos of any size. NAME.out is the output for an image of 10 rows and 12 columns whose elements, in the order of rows, columns and
channels, are (37*i mod 256)/255: float32, little-endian, in that order too.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
import tf2onnx

tf.keras.utils.set_random_seed(1)
layers = tf.keras.layers
anything = (None, None, 3)


def body(x):
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    y = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(6, 3, padding="same")(x))
    return layers.Add()([x, y])


def shuffled(x):
    x = layers.Conv2D(12, 3, padding="same")(body(x))
    return layers.Lambda(lambda t: tf.nn.depth_to_space(t, 2), output_shape=anything)(x)


def transposed(x):
    return layers.Conv2DTranspose(3, 4, strides=2, padding="same")(body(x))


def reshaped(x):
    def shuffle(t):
        s = tf.shape(t)
        t = tf.transpose(tf.reshape(t, [s[0], s[1], s[2], 2, 2, 3]), [0, 1, 3, 2, 4, 5])
        return tf.clip_by_value((tf.reshape(t, [s[0], 2 * s[1], 2 * s[2], 3]) + 1) / 2, 0, 1)

    x = layers.Rescaling(2.0, -1.0)(x)
    return layers.Lambda(shuffle, output_shape=anything)(layers.Conv2D(12, 3, padding="same")(x))


def resized(x):
    corners = lambda t: tf.compat.v1.image.resize_bilinear(t, 2 * tf.shape(t)[1:3], align_corners=True)
    return layers.Conv2D(3, 3, padding="same", activation="tanh")(layers.Lambda(corners, output_shape=(None, None, 6))(body(x)))


IN, OUT = {"inputs_as_nchw": ["lr"]}, {"outputs_as_nchw": ["Identity:0"]}
for name, ends, opset, options in [
    ("shuffled", shuffled, 13, {}),
    ("shuffled-nchw", shuffled, 15, IN | OUT),
    ("shuffled-nchw-in", shuffled, 15, IN),
    ("transposed", transposed, 13, {}),
    ("reshaped", reshaped, 14, {}),
    ("resized", resized, 15, {}),
]:
    x = tf.keras.Input(anything, name="lr")
    net = tf.keras.Model(x, ends(x))
    call = tf.function(lambda t: net(t), input_signature=[tf.TensorSpec((None, *anything), tf.float32, name="lr")])
    tf2onnx.convert.from_function(call, input_signature=call.input_signature, opset=opset, output_path=name + ".onnx", **options)
    image = (37 * np.arange(10 * 12 * 3) % 256 / 255).astype(np.float32).reshape(1, 10, 12, 3)
    call(tf.constant(image)).numpy().astype("<f4").tofile(name + ".out")
