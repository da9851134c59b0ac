"""Keras networks over text, audio and other sequences. `tf` is the module; nothing here imports it."""

from __future__ import annotations

from typing import Any


def attention(tf: Any) -> Any:
    """One block of a transformer."""
    layers = tf.keras.layers
    x = tf.keras.Input((16, 32))
    y = layers.LayerNormalization()(layers.MultiHeadAttention(4, 8)(x, x) + x)
    return tf.keras.Model(x, layers.Dense(32, activation="gelu")(y))


def lstm(tf: Any) -> Any:
    """Every state of one layer."""
    layers = tf.keras.layers
    x = tf.keras.Input((20, 8))
    return tf.keras.Model(x, layers.Dense(40)(layers.LSTM(16, return_sequences=True)(x)))


def lstm_last(tf: Any) -> Any:
    """The last state of a stack of two, over more steps than are worth unrolling."""
    layers = tf.keras.layers
    x = tf.keras.Input((60, 12))
    return tf.keras.Model(x, layers.Dense(128)(layers.LSTM(24)(layers.LSTM(16, return_sequences=True)(x))))


def gru(tf: Any) -> Any:
    """Both directions."""
    layers = tf.keras.layers
    x = tf.keras.Input((20, 8))
    return tf.keras.Model(x, layers.Dense(4)(layers.Bidirectional(layers.GRU(16, return_sequences=True))(x)))


def gru_old(tf: Any) -> Any:
    """The reset gate before the product, as in the first paper."""
    layers = tf.keras.layers
    x = tf.keras.Input((16, 8))
    return tf.keras.Model(x, layers.Dense(40)(layers.GRU(16, reset_after=False)(x)))


def simple_rnn(tf: Any) -> Any:
    """From the end to the beginning."""
    layers = tf.keras.layers
    x = tf.keras.Input((30, 8))
    return tf.keras.Model(x, layers.Dense(8)(layers.SimpleRNN(16, return_sequences=True, go_backwards=True)(x)))


def masked_text(tf: Any) -> Any:
    """Words, of which 0 is none: masked steps keep their state."""
    layers = tf.keras.layers
    x = tf.keras.Input((12,), dtype="int32")
    y = layers.LSTM(12, return_sequences=True)(layers.Embedding(50, 8, mask_zero=True)(x))
    return tf.keras.Model(x, layers.Dense(30)(layers.GRU(10)(y)))


def bidirectional_text(tf: Any) -> Any:
    """Two bidirectional layers over words."""
    layers = tf.keras.layers
    x = tf.keras.Input((24,), dtype="int32")
    y = layers.Embedding(200, 16, mask_zero=True)(x)
    y = layers.Bidirectional(layers.LSTM(8, return_sequences=True), merge_mode="sum")(y)
    return tf.keras.Model(x, layers.Dense(30)(layers.Bidirectional(layers.LSTM(8))(y)))


def _block(tf: Any, y: Any, width: int, heads: int, **options: Any) -> Any:
    """Attention and two dense layers, each with a detour around it."""
    layers = tf.keras.layers
    z = layers.MultiHeadAttention(heads, width // heads)(y, y, **options)
    y = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([y, layers.Dropout(0.1)(z)]))
    z = layers.Dense(width)(layers.Dense(2 * width, activation="relu")(y))
    return layers.LayerNormalization(epsilon=1e-6)(layers.Add()([y, z]))


def _embedded(tf: Any, x: Any, words: int, steps: int, width: int) -> Any:
    """Words and their positions."""
    layers = tf.keras.layers
    return layers.Embedding(words, width)(x) + layers.Embedding(steps, width)(tf.range(steps))


def decoder(tf: Any) -> Any:
    """A causal language model."""
    x = tf.keras.Input((12,), dtype="int32")
    y = _embedded(tf, x, 50, 12, 16)
    for _ in range(2):
        y = _block(tf, y, 16, 2, use_causal_mask=True)
    return tf.keras.Model(x, tf.keras.layers.Dense(50)(y))


def transformer_text(tf: Any) -> Any:
    """A classifier of texts, padding masked."""
    layers = tf.keras.layers
    x = tf.keras.Input((24,), dtype="int32")
    y = _embedded(tf, x, 200, 24, 32)

    def words(x: Any) -> Any:
        return tf.not_equal(x, 0)[:, tf.newaxis]

    mask = layers.Lambda(words, output_shape=(1, 24))(x)
    y = _block(tf, y, 32, 4, attention_mask=mask)
    return tf.keras.Model(x, layers.Dense(40)(layers.GlobalMaxPooling1D()(y)))


def dilated_audio(tf: Any) -> Any:
    """Causal convolutions whose dilation grows, gated, with detours."""
    layers = tf.keras.layers
    x = tf.keras.Input((64, 4))
    y = layers.Conv1D(8, 1)(x)
    for rate in (1, 2, 4):
        a = layers.Conv1D(8, 2, padding="causal", dilation_rate=rate, activation="tanh")(y)
        b = layers.Conv1D(8, 2, padding="causal", dilation_rate=rate, activation="sigmoid")(y)
        y = layers.Add()([y, layers.Conv1D(8, 1)(layers.Multiply()([a, b]))])
    return tf.keras.Model(x, layers.Conv1D(4, 1)(layers.ReLU()(y)))


def audio_classifier(tf: Any) -> Any:
    """Strided convolutions over samples, pools, separable convolutions."""
    layers = tf.keras.layers
    x = tf.keras.Input((400, 1))
    y = layers.Conv1D(16, 9, strides=4, activation="relu")(x)
    y = layers.MaxPooling1D(2)(layers.SeparableConv1D(24, 5, padding="same", activation="elu")(y))
    y = layers.AveragePooling1D(2, padding="same")(layers.Conv1D(24, 3, activation="leaky_relu")(y))
    y = layers.Conv1DTranspose(16, 3, strides=2)(y)
    return tf.keras.Model(x, layers.Dense(35)(layers.GlobalAveragePooling1D()(y)))


def encoder_decoder(tf: Any) -> Any:
    """The states of one layer begin another; attention between them."""
    layers = tf.keras.layers
    source, target = tf.keras.Input((10, 6), name="source"), tf.keras.Input((8, 5), name="target")
    encoded, *states = layers.LSTM(12, return_sequences=True, return_state=True)(source)
    decoded = layers.LSTM(12, return_sequences=True)(target, initial_state=states)
    seen = layers.Attention()([decoded, encoded])
    return tf.keras.Model([source, target], layers.Dense(7)(layers.Concatenate()([decoded, seen])))


def old_attention(tf: Any) -> Any:
    """Additive attention and what surrounds it."""
    layers = tf.keras.layers
    x, y = tf.keras.Input((12, 16), name="x"), tf.keras.Input((9, 16), name="y")
    z = layers.AdditiveAttention()([x, y])
    z = layers.EinsumDense("abc,cde->abde", output_shape=(None, 4, 8), bias_axes="de")(z)
    z = layers.Reshape((12, 32))(layers.Activation("mish")(z))
    return tf.keras.Model([x, y], layers.Dense(5, activation="log_softmax")(layers.Minimum()([z, z * 0.5])))


def mixer(tf: Any) -> Any:
    """Dense layers over steps and over channels in turn."""
    layers = tf.keras.layers
    x = tf.keras.Input((16, 24))
    y = x
    for _ in range(2):
        z = layers.Permute((2, 1))(layers.LayerNormalization()(y))
        z = layers.Permute((2, 1))(layers.Dense(16)(layers.Dense(32, activation="gelu")(z)))
        y = layers.Add()([y, z])
        y = layers.Add()([y, layers.Dense(24)(layers.Dense(48, activation="silu")(layers.LayerNormalization()(y)))])
    return tf.keras.Model(x, layers.Dense(12)(layers.GlobalAveragePooling1D()(y)))


def time_distributed(tf: Any) -> Any:
    """A convolution per step, then a recurrent layer."""
    layers = tf.keras.layers
    x = tf.keras.Input((6, 12, 12, 3))
    y = layers.TimeDistributed(layers.Conv2D(8, 3, strides=2, activation="relu"))(x)
    y = layers.TimeDistributed(layers.GlobalAveragePooling2D())(y)
    return tf.keras.Model(x, layers.Dense(30)(layers.GRU(10, activation="relu")(y)))
