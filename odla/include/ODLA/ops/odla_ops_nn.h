/* ODLA/ops/odla_ops_nn.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_OPS_ODLA_OPS_NN_H_
#define HALO_ODLA_OPS_ODLA_OPS_NN_H_

/**
 * @file
 *
 * Neural-network operators.
 *
 * `input_layout` says where the channels of the input stand, and the result has the same layout.
 * Arrays of strides, dilations, windows and paddings have one entry per spatial dimension; NULL
 * stands for ones (strides, dilations) or zeros (paddings).
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Data and kernel layouts. */
typedef enum {
  ODLA_CHANNELS_FIRST = 0, /**< NC+spatial data */
  ODLA_CHANNELS_LAST = 1, /**< N+spatial+C data */
  ODLA_SIO = 2, /**< spatial,in,out kernel */
  ODLA_SOI = 3, /**< spatial,out,in kernel */
  ODLA_OIS = 4, /**< out,in,spatial kernel */
  ODLA_IOS = 5, /**< in,out,spatial kernel */
} odla_memory_layout;

/** RNN direction. */
typedef enum {
  ODLA_RNN_FORWARD = 0, /**< rnn forward */
  ODLA_RNN_REVERSE = 1, /**< rnn reverse */
  ODLA_RNN_BIDIRECTIONAL = 2, /**< rnn bidirectional */
} odla_rnn_direction;

/** Which RNN states are returned. */
typedef enum {
  ODLA_RNN_NO_STATE = 0, /**< rnn no state */
  ODLA_RNN_HIDDEN_STATE = 1, /**< rnn hidden state */
  ODLA_RNN_CELL_STATE = 2, /**< rnn cell state */
  ODLA_RNN_HIDDEN_CELL_STATE = 3, /**< rnn hidden cell state */
} odla_rnn_outputs;

/** Loss reduction. */
typedef enum {
  ODLA_REDUCE_NONE = 0, /**< reduce none */
  ODLA_REDUCE_MEAN = 1, /**< reduce mean */
  ODLA_REDUCE_SUM = 2, /**< reduce sum */
} odla_reduction_mode;

/** RNN weight layout. */
typedef enum {
  ODLA_RNN_LDGOI = 0, /**< rnn ldgoi */
  ODLA_RNN_LDIGO = 1, /**< rnn ldigo */
} odla_rnn_weight_format;

/** RNN gate order. */
typedef enum {
  ODLA_RNN_IOFC = 0, /**< rnn iofc */
  ODLA_RNN_IFCO = 1, /**< rnn ifco */
  ODLA_RNN_IFOC = 2, /**< rnn ifoc */
  ODLA_RNN_ICOF = 3, /**< rnn icof */
  ODLA_RNN_URO = 4, /**< rnn uro */
} odla_rnn_gate_order;

/** TF-IDF weighting. */
typedef enum {
  ODLA_TFIDF_TF = 0, /**< tfidf tf */
  ODLA_TFIDF_IDF = 1, /**< tfidf idf */
  ODLA_TFIDF_TFIDF = 2, /**< tfidf tfidf */
} odla_tf_idf_mode;

/**
 * N-d average pooling, optional count of padding.
 *
 * If output_dims are the sizes that arise when the last window may go over the end, such windows
 * are used.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_AveragePool(
    odla_value input, odla_memory_layout input_layout, const odla_uint32* window_dims, const
    odla_uint32* strides, const odla_uint32* paddings_front, const odla_uint32* paddings_back,
    odla_bool padding_included, odla_value_shape output_dims, const odla_value_id value_id);

/** One-hot of the max along axis. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Hardmax(
    odla_value input, odla_int32 axis, const odla_value_id value_id);

/**
 * Local response normalisation.
 *
 * x / (bias + alpha / window_size * sum of squares)^beta, over window_size neighbouring channels.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_LRN(
    odla_value input, odla_memory_layout input_layout, odla_int32 window_size, odla_float32 alpha,
    odla_float32 beta, odla_float32 bias, const odla_value_id value_id);

/**
 * Inference BN; scale/offset tensors or scalars.
 *
 * Where scale or offset is NULL, the scalar counts for every channel.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_BatchNormalization(
    odla_value input, odla_memory_layout input_layout, odla_value mean, odla_value var, odla_float32
    epsilon, odla_value scale, odla_value offset, odla_float32 scalar_scale, odla_float32
    scalar_offset, const odla_value_id value_id);

/** CELU. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Celu(
    odla_value input, odla_float32 alpha, const odla_value_id value_id);

/**
 * N-d grouped convolution, optional bias.
 *
 * The bias is one number per output channel, or anything that broadcasts to the result.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Conv(
    odla_value input, odla_memory_layout input_layout, odla_uint32 group, odla_value kernel,
    odla_memory_layout kernel_layout, const odla_uint32* strides, const odla_uint32* dilations,
    const odla_uint32* paddings_front, const odla_uint32* paddings_back, odla_value bias,
    odla_value_shape output_dims, const odla_value_id value_id);

/**
 * N-d transposed convolution, optional bias.
 *
 * Output sizes that the strides leave open (by less than a stride) are taken from output_dims if
 * that is a possible shape; else they are the smallest ones. In the kernel's layout I is the
 * dimension of the input's channels.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_DeConv(
    odla_value input, odla_memory_layout input_layout, odla_uint32 group, odla_value kernel,
    odla_memory_layout kernel_layout, const odla_uint32* strides, const odla_uint32* dilations,
    const odla_uint32* paddings_front, const odla_uint32* paddings_back, odla_value bias,
    odla_value_shape output_dims, const odla_value_id value_id);

/** ELU. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Elu(
    odla_value input, odla_float32 alpha, const odla_value_id value_id);

/** GELU exact or approximate. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Gelu(
    odla_value input, odla_bool use_approx, const odla_value_id value_id);

/**
 * One-layer GRU.
 *
 * As odla_LSTM, with the gate order ODLA_RNN_URO and without cell states.
 */
extern ODLA_API_EXPORT odla_values ODLA_API_CALL odla_GRU(
    odla_value input, odla_rnn_weight_format weight_format, odla_rnn_gate_order gate_order,
    odla_value_shape weight_dims, odla_value W, odla_value R, odla_value B, odla_value
    sequence_lens, odla_value initial_h, odla_int32 hidden_size, odla_rnn_direction direction,
    odla_bool linear_before_reset, odla_rnn_outputs outputs, const odla_value_ids value_id);

/** Clip(alpha*x+beta,0,1). */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_HardSigmoid(
    odla_value input, odla_float32 alpha, odla_float32 beta, const odla_value_id value_id);

/**
 * Group norm.
 *
 * Where scale or offset is NULL, the scalar counts for every channel.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_GroupNormalization(
    odla_value input, odla_memory_layout input_layout, odla_int32 groups, odla_float32 epsilon,
    odla_value scale, odla_value offset, odla_float32 scalar_scale, odla_float32 scalar_offset,
    const odla_value_id value_id);

/**
 * Instance norm.
 *
 * Where scale or offset is NULL, the scalar counts for every channel.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_InstanceNormalization(
    odla_value input, odla_memory_layout input_layout, odla_float32 epsilon, odla_value scale,
    odla_value offset, odla_float32 scalar_scale, odla_float32 scalar_offset, const odla_value_id
    value_id);

/**
 * L1/L2 normalise along axes.
 *
 * x / (sum |x|^p + epsilon)^(1/p) over the axes, all of them if none is named; where that is 0 the
 * result is 0. A scale vector counts per channel.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_LpNormalize(
    odla_value input, odla_int32 p, odla_memory_layout input_layout, odla_size_t axes_size, const
    odla_int32* axes, odla_float32 epsilon, odla_value scale, const odla_value_id value_id);

/** Leaky ReLU. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_LeakyRelu(
    odla_value input, odla_float32 alpha, const odla_value_id value_id);

/** Log softmax on axis. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_LogSoftmax(
    odla_value input, odla_int32 axis, const odla_value_id value_id);

/**
 * One-layer LSTM with optional peepholes.
 *
 * The input is [steps, batch, input]. W, R and B may have any shape: their elements lie as
 * weight_format and gate_order say, with one layer and one or two directions; weight_dims is not
 * needed. B holds the biases of input and recurrence, or one for both. P is [direction, input,
 * output and forget gate]. The results are all hidden states [steps, direction, batch, hidden],
 * then the last hidden and cell state as `outputs` asks.
 */
extern ODLA_API_EXPORT odla_values ODLA_API_CALL odla_LSTM(
    odla_value input, odla_rnn_weight_format weight_format, odla_rnn_gate_order gate_order,
    odla_value_shape weight_dims, odla_value W, odla_value R, odla_value B, odla_value
    sequence_lens, odla_value initial_h, odla_value initial_c, odla_value P, odla_int32 hidden_size,
    odla_rnn_direction direction, odla_rnn_outputs outputs, const odla_value_ids value_ids);

/**
 * N-d max pooling.
 *
 * If output_dims are the sizes that arise when the last window may go over the end, such windows
 * are used.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_MaxPool(
    odla_value input, odla_memory_layout input_layout, const odla_uint32* window_dims, const
    odla_uint32* strides, const odla_uint32* paddings_front, const odla_uint32* paddings_back,
    odla_value_shape output_dims, const odla_value_id value_id);

/**
 * NLL loss.
 *
 * x is [batch, classes, ...], gt [batch, ...]. Elements whose class is `ignored` count nothing; the
 * mean is weighted.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_NegativeLogLikeliHoodLoss(
    odla_value input, odla_value gt, odla_int32 ignored, odla_reduction_mode reduction, odla_value
    weight, odla_value_shape output_shape, odla_value_id value_id);

/**
 * Non-maximum suppression.
 *
 * As ONNX's NonMaxSuppression: boxes [batch, boxes, 4] by two opposite corners (y, x, y, x), scores
 * [batch, classes, boxes], at most max_num_outputs per batch and class. The result is [kept, 3]:
 * batch, class, box.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_NMS(
    odla_value boxes, odla_value scores, odla_uint32 max_num_outputs, odla_float32 iou_threshold,
    odla_float32 score_threshold, odla_value_type output_value_type, const odla_value_id value_id);

/** ReLU with learned slope tensor. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_PRelu(
    odla_value input, odla_value slope, const odla_value_id value_id);

/** ReLU. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Relu(
    odla_value input, const odla_value_id value_id);

/**
 * One-layer vanilla RNN.
 *
 * As odla_LSTM with one gate and tanh.
 */
extern ODLA_API_EXPORT odla_values ODLA_API_CALL odla_RNN(
    odla_value input, odla_rnn_weight_format weight_format, odla_value_shape weight_dims, odla_value
    W, odla_value R, odla_value B, odla_value sequence_lens, odla_value initial_h, odla_int32
    hidden_size, odla_rnn_direction direction, odla_rnn_outputs outputs, const odla_value_ids
    value_id);

/**
 * Region-of-interest align.
 *
 * rois are [n, 4] (x1, y1, x2, y2) of the first image, or [n, 5] with the image's number in front.
 * output_dim is needed: its height and width count. Positions are shifted by half a pixel, as in
 * ONNX by default; samples are averaged.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ROIAlign(
    odla_value input, odla_memory_layout input_layout, odla_value rois, odla_int32 sampling_ratio,
    odla_float32 scale, odla_value_shape output_dim, const odla_value_id value_id);

/**
 * Region-of-interest max pool.
 *
 * rois are [n, 4] (x1, y1, x2, y2) of the first image, or [n, 5] with the image's number in front.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ROIMaxPool(
    odla_value input, odla_memory_layout input_layout, odla_value rois, odla_int32 win_h, odla_int32
    win_w, odla_float32 scale, odla_value_shape output_dim, const odla_value_id value_id);

/** SELU. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Selu(
    odla_value input, odla_float32 alpha, odla_float32 gamma, const odla_value_id value_id);

/** Soft/hard shrink. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Shrink(
    odla_value input, odla_float32 bias, odla_float32 lambd, const odla_value_id value_id);

/** Logistic. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Sigmoid(
    odla_value input, const odla_value_id value_id);

/** Softmax on axis (negative allowed). */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Softmax(
    odla_value input, odla_int32 axis, const odla_value_id value_id);

/** Ln(1+e^x). */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Softplus(
    odla_value input, const odla_value_id value_id);

/** X/(1+|x|). */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Softsign(
    odla_value input, const odla_value_id value_id);

/**
 * N-gram TF-IDF vector.
 *
 * pool, gram_counts, output_indices and weights must be constants.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_TFIDFVectorize(
    odla_value input, odla_int32 min_gram_length, odla_int32 max_gram_length, odla_int32
    max_skip_count, odla_tf_idf_mode mode, odla_value pool, odla_value gram_counts, odla_value
    output_indices, odla_value weights, odla_value_shape output_shape, odla_value_id value_id);

/** X if x>alpha else 0. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ThresholdedRelu(
    odla_value input, odla_float32 alpha, const odla_value_id value_id);

/**
 * K largest/smallest values and indices.
 *
 * Results: the elements, then their indices with the element type of output_value_index_type.
 */
extern ODLA_API_EXPORT odla_values ODLA_API_CALL odla_TopK(
    odla_value input, odla_uint32 K, odla_bool largest, odla_bool sorted, odla_uint32 axis,
    odla_value_type output_value_type, odla_value_type output_value_index_type, const odla_value_ids
    value_ids);

/**
 * YOLOv3 box decoding (model-specific).
 *
 * The grids are [1, 3 * (5 + classes), n, n] from coarse to fine, raw outputs of a network for
 * images of 416 x 416 with the anchors of YOLOv3's training on COCO. Results: [classes, places, 5],
 * boxes (top, left, bottom, right in pixels of the original image, score) best first, zero beyond
 * those kept; and how many are kept [classes], uint32. Thresholds: overlap 0.45, score 0.3.
 */
extern ODLA_API_EXPORT odla_values ODLA_API_CALL odla_PostProcess(
    odla_value orig_img_w, odla_value orig_img_h, odla_value bb13, odla_value bb26, odla_value bb52,
    const odla_value_id value_id);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_OPS_ODLA_OPS_NN_H_ */
