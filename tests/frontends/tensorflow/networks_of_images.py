"""Keras networks over images and volumes. `tf` is the module; nothing here imports it."""

from __future__ import annotations

from typing import Any


def application(tf: Any, name: str, side: int, **options: Any) -> Any:
    """A network of keras.applications with random weights."""
    make = getattr(tf.keras.applications, name)
    shape = {"input_shape": (side, side, 3)}
    if name == "NASNetMobile":  # its classifier demands its own input size
        x = tf.keras.Input((side, side, 3))
        body = make(input_tensor=x, include_top=False, pooling="avg", weights=None, **options)
        return tf.keras.Model(x, tf.keras.layers.Dense(1000)(body.output))
    if name == "VGG16":  # the same without 120 million weights of its first dense layer
        body = make(**shape, include_top=False, pooling="avg", weights=None, **options)
        return tf.keras.Model(body.input, tf.keras.layers.Dense(1000)(body.output))
    return make(**shape, weights=None, classes=1000, classifier_activation=None, **options)


def keyword_spotter(tf: Any) -> Any:
    """A small audio network: depthwise-separable convolutions over a spectrogram."""
    layers = tf.keras.layers
    x = tf.keras.Input((49, 10, 1))
    y = layers.ReLU()(layers.Conv2D(16, (10, 4), strides=2, padding="same")(x))
    for _ in range(2):
        y = layers.ReLU()(layers.DepthwiseConv2D(3, padding="same")(y))
        y = layers.ReLU(6.0)(layers.Conv2D(16, 1)(y))
    y = layers.AveragePooling2D((5, 5))(y)
    return tf.keras.Model(x, layers.Dense(12)(layers.Flatten()(y)))


def segmenter(tf: Any) -> Any:
    """An encoder and decoder: pools, transposed convolutions, resizing, joins."""
    layers = tf.keras.layers
    x = tf.keras.Input((32, 32, 3))
    a = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    b = layers.Conv2D(16, 3, padding="same", activation="elu")(layers.MaxPooling2D(2)(a))
    c = layers.Conv2DTranspose(8, 3, strides=2, padding="same")(b)
    d = layers.UpSampling2D(2, interpolation="bilinear")(layers.AveragePooling2D(2)(a))
    y = layers.LeakyReLU()(layers.Concatenate()([a, c, d]))
    return tf.keras.Model(x, layers.Conv2D(4, 1, activation="sigmoid")(layers.PReLU(shared_axes=[1, 2])(y)))


def two_inputs(tf: Any) -> Any:
    """An image and some numbers; two outputs."""
    layers = tf.keras.layers
    image, number = tf.keras.Input((12, 12, 3), name="image"), tf.keras.Input((4,), name="number")
    y = layers.GlobalMaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(layers.ZeroPadding2D(1)(image)))
    y = layers.Concatenate()([y, layers.Dense(8, activation="tanh")(number)])
    return tf.keras.Model([image, number], [layers.Dense(10)(y), layers.Dense(6, activation="softmax")(y)])


def unet(tf: Any) -> Any:
    """Three levels down and up again, with joins between equal levels."""
    layers = tf.keras.layers

    def block(y: Any, width: int) -> Any:
        for _ in range(2):
            y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(y)))
        return y

    x = tf.keras.Input((64, 64, 3))
    levels: list[Any] = []
    y = block(x, 8)
    for width in (16, 32):
        levels.append(y)
        y = block(layers.MaxPooling2D(2)(y), width)
    for width in (16, 8):
        y = layers.Conv2DTranspose(width, 2, strides=2)(y)
        y = block(layers.Concatenate()([levels.pop(), y]), width)
    return tf.keras.Model(x, layers.Conv2D(3, 1, activation="sigmoid")(y))


def separable(tf: Any) -> Any:
    """Separable convolutions, with squeeze and excitation."""
    layers = tf.keras.layers
    x = tf.keras.Input((48, 48, 3))
    y = layers.Activation("swish")(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x))
    for width, stride in ((16, 1), (24, 2), (24, 1)):
        z = layers.SeparableConv2D(width, 5, strides=stride, padding="same", activation="hard_silu")(y)
        gate = layers.GlobalAveragePooling2D(keepdims=True)(z)
        gate = layers.Conv2D(width, 1, activation="hard_sigmoid")(layers.Conv2D(6, 1, activation="relu")(gate))
        z = layers.Multiply()([z, gate])
        y = layers.Add()([y, z]) if y.shape == z.shape else z
    return tf.keras.Model(x, layers.Dense(20)(layers.GlobalAveragePooling2D()(y)))


def patches(tf: Any) -> Any:
    """A vision transformer: patches, positions, two blocks."""
    layers = tf.keras.layers
    x = tf.keras.Input((32, 32, 3))
    y = layers.Reshape((64, 48))(layers.Conv2D(48, 4, strides=4)(x))
    y = layers.Add()([y, layers.Embedding(64, 48)(tf.range(64))[tf.newaxis]])
    for _ in range(2):
        z = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Add()([y, layers.MultiHeadAttention(3, 16)(z, z)])
        z = layers.Dense(96, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(y))
        y = layers.Add()([y, layers.Dense(48)(z)])
    return tf.keras.Model(x, layers.Dense(10)(layers.GlobalAveragePooling1D()(layers.LayerNormalization()(y))))


def normalisations(tf: Any) -> Any:
    """Every way to normalise, and layers that do nothing when a network is used."""
    layers = tf.keras.layers
    x = tf.keras.Input((32, 32, 3))
    y = layers.Rescaling(2.0, offset=-1.0)(x)
    y = layers.GroupNormalization(4)(layers.Conv2D(16, 3)(y))
    y = layers.UnitNormalization()(layers.Conv2D(16, 3, activation="softplus")(layers.GaussianNoise(0.1)(y)))
    y = layers.BatchNormalization()(layers.Conv2D(16, 3, dilation_rate=2, activation="selu")(y))
    y = layers.LayerNormalization(axis=[1, 2])(layers.SpatialDropout2D(0.2)(y))
    y = layers.Softmax(axis=-1)(layers.Cropping2D(2)(y))
    return tf.keras.Model(x, layers.Conv2D(6, 3, strides=2, groups=2)(layers.Permute((2, 1, 3))(y)))


def volume(tf: Any) -> Any:
    """Three-dimensional convolutions and pools."""
    layers = tf.keras.layers
    x = tf.keras.Input((8, 12, 12, 2))
    y = layers.Conv3D(8, 3, padding="same", activation="relu")(x)
    y = layers.AveragePooling3D(2)(layers.Conv3D(8, (1, 3, 3))(y))
    y = layers.UpSampling3D((1, 2, 2))(layers.MaxPooling3D((2, 1, 1))(y))
    return tf.keras.Model(x, layers.Conv3DTranspose(4, 2, strides=2)(layers.ZeroPadding3D(1)(y)))


def convolutional_lstm(tf: Any) -> Any:
    """A recurrent layer whose products are convolutions."""
    layers = tf.keras.layers
    x = tf.keras.Input((5, 12, 12, 2))
    return tf.keras.Model(x, layers.Conv2D(3, 1)(layers.ConvLSTM2D(4, 3, padding="same")(x)))


def resizer(tf: Any) -> Any:
    """All ways to resize."""
    layers = tf.keras.layers
    x = tf.keras.Input((32, 32, 3))
    y = layers.Conv2D(6, 3)(layers.Resizing(40, 24)(x))
    y = layers.UpSampling2D((2, 3), interpolation="nearest")(y)
    y = layers.Resizing(30, 50, interpolation="bicubic")(y)
    return tf.keras.Model(x, layers.Conv2D(4, 5, strides=3)(layers.Resizing(22, 22, interpolation="nearest")(y)))


def detector(tf: Any) -> Any:
    """Feature maps of two scales, anchors, the best boxes by score."""
    layers = tf.keras.layers
    x = tf.keras.Input((64, 64, 3))
    fine = layers.Conv2D(16, 5, strides=8, padding="same", activation="relu")(x)
    coarse = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(fine)
    boxes = [layers.Reshape((-1, 4))(layers.Conv2D(8, 3, padding="same")(y)) for y in (fine, coarse)]
    scores = [layers.Reshape((-1,))(layers.Conv2D(2, 3, padding="same")(y)) for y in (fine, coarse)]

    def best(pair: Any) -> Any:
        boxes, scores = pair
        found, places = tf.math.top_k(tf.sigmoid(scores), 20)
        return tf.concat([tf.gather(boxes, places, batch_dims=1), found[..., tf.newaxis]], -1)

    chosen = layers.Lambda(best, output_shape=(20, 5))
    return tf.keras.Model(x, chosen([layers.Concatenate(axis=1)(boxes), layers.Concatenate(axis=1)(scores)]))
