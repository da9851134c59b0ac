/* ODLA/ops/odla_ops_process.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_OPS_ODLA_OPS_PROCESS_H_
#define HALO_ODLA_OPS_ODLA_OPS_PROCESS_H_

/**
 * @file
 *
 * Operators that move, select, resize and generate elements.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Resize kernel. */
typedef enum {
  ODLA_NEAREST = 0, /**< nearest */
  ODLA_LINEAR = 1, /**< n-linear */
  ODLA_CUBIC = 2, /**< n-cubic */
} odla_interpolation_mode;

/** Resize coordinate mapping. */
typedef enum {
  ODLA_ASSYMMETRIC = 0, /**< x*scale (asymmetric) */
  ODLA_HALF_PIXEL = 1, /**< (x+0.5)*scale-0.5 */
  ODLA_HALF_PIXEL_TF = 2, /**< TF variant of half pixel */
  ODLA_ALIGN_CORNERS = 3, /**< corners aligned */
} odla_resize_coordinate_mode;

/** Fill generator. */
typedef enum {
  ODLA_EyeLike = 0, /**< identity */
  ODLA_RandomNormal = 1, /**< normal(p0 mean,p1 std) */
  ODLA_RandomUniform = 2, /**< uniform(p0,p1) */
} odla_fill_method;

/**
 * Broadcast to shape.
 *
 * output_shape is needed.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Broadcast(
    const odla_value input, odla_value_shape output_shape, const odla_value_id value_id);

/** Element type conversion. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Cast(
    odla_value input, odla_element_type target_type, const odla_value_id value_id);

/**
 * Pick slices by 1-D mask.
 *
 * axis 2147483647: the elements in order.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Compress(
    odla_value input, odla_value condition, odla_int32 axis, odla_value_shape max_output_shape,
    const odla_value_id value_id);

/** Join along axis. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Concat(
    odla_values inputs, odla_int32 axis, odla_value_shape output_shape, const odla_value_id
    value_id);

/**
 * Broadcast to given dims (name misleading).
 *
 * output_dims is needed.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ExpandDims(
    odla_value input, odla_value_shape output_dims, const odla_value_id value_id);

/**
 * Generate eye/normal/uniform tensor.
 *
 * ODLA_EyeLike needs two dimensions.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Fill(
    odla_value_type type, odla_fill_method method, odla_float32 p0, odla_float32 p1, odla_float32
    seed, const odla_value_id value_id);

/** Gather along axis. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Gather(
    odla_value input, odla_value indices, odla_int32 axis, odla_value_shape output_dims, const
    odla_value_id value_id);

/** N-d gather with batch dims. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_GatherND(
    odla_value input, odla_value indices, odla_int32 num_batch_dims, odla_value_shape output_dims,
    const odla_value_id value_id);

/** Elementwise gather along axis. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_GatherElements(
    odla_value input, odla_value indices, odla_int32 axis, odla_value_shape output_dims, const
    odla_value_id value_id);

/**
 * One-hot; values=[off,on].
 *
 * values holds the element elsewhere, then the one at the index.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_OneHot(
    odla_value indices, odla_int32 depth, odla_value values, odla_int32 axis, odla_value_shape
    output_dims, const odla_value_id value_id);

/** Zero pad front/back per dim. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Pad(
    odla_value input, const odla_uint32* padding_front, const odla_uint32* padding_back,
    odla_value_shape output_dims, const odla_value_id value_id);

/**
 * Static reshape.
 *
 * output_dims is needed; one dimension may be -1, and 0 stands for the input's. With a dynamic
 * batch the leading dimension follows the run's batch.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Reshape(
    odla_value input, odla_value_shape output_dims, const odla_value_id value_id);

/** Reshape to a shape tensor. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReshapeDynamic(
    odla_value input, odla_value output_shape, const odla_value_id value_id);

/**
 * Interpolate to output_dims; axes_mask LSB = innermost dim.
 *
 * output_dims is needed. Without a bit in axes_mask all dimensions are resized; with bits, those
 * that have one, or another size in output_dims. Nearest elements: positions are rounded down
 * (ODLA_ASSYMMETRIC), or to the nearest with halves down, up with ODLA_HALF_PIXEL_TF, which
 * otherwise equals ODLA_HALF_PIXEL.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Resize(
    odla_value input, odla_interpolation_mode interpolation, odla_resize_coordinate_mode mode,
    odla_uint32 axes_mask, odla_value_shape output_dims, const odla_value_id value_id);

/**
 * Interpolate by scales or sizes tensor.
 *
 * Either scales or sizes, one per dimension; the other is NULL.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ResizeDynamic(
    odla_value input, odla_value scales, odla_value sizes, odla_interpolation_mode interpolation,
    odla_resize_coordinate_mode mode, odla_value_shape output_dims, const odla_value_id value_id);

/**
 * Shape as 1-D value.
 *
 * The result has the element type ODLA_INT64.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Shape(
    odla_value input, odla_value_shape output_dims, const odla_value_id value_id);

/** Static strided slice, one entry per dim. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Slice(
    odla_value input, const odla_int32* start, const odla_int32* end, const odla_int32* stride,
    odla_value_shape output_dims, const odla_value_id value_id);

/**
 * Expand dims according to axes tensor (slice helper).
 *
 * `original` is a vector with one entry per dimension; the result is that vector with the entries
 * at `axes` replaced by those of the input. It makes bounds of a few axes into bounds of all.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_DimsExpand(
    odla_value input, odla_value original, odla_value axes, odla_value_shape output_dims, const
    odla_value_id id);

/**
 * Slice with tensor start/size/stride.
 *
 * stride may be NULL: ones.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_SliceDynamic(
    odla_value input, odla_value start, odla_value size, odla_value stride, odla_value_shape
    output_dims, const odla_value_id value_id);

/**
 * Equal split, split_dim is a tensor value.
 *
 * split_dim must be a constant.
 */
extern ODLA_API_EXPORT odla_values ODLA_API_CALL odla_Split(
    odla_value input, odla_value split_dim, odla_int32 num_split, const odla_value_ids value_ids);

/** Remove size-1 dims. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Squeeze(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_value_shape
    output_dims, const odla_value_id value_id);

/** Join along a new axis. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Stack(
    odla_values inputs, odla_int32 axis, odla_value_shape output_shape, const odla_value_id
    value_id);

/**
 * Permute; permutation passed as a shape struct.
 *
 * permutations is needed.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Transpose(
    odla_value input, odla_value_shape permutations, odla_value_shape output_dims, const
    odla_value_id value_id);

/** Repeat per dim. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Tile(
    odla_value input, const odla_uint32* repeat, odla_value_shape output_dims, const odla_value_id
    value_id);

/** Repeat by tensor. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_TileDynamic(
    odla_value input, odla_value repeat, odla_value_shape output_dims, const odla_value_id
    value_id);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_OPS_ODLA_OPS_PROCESS_H_ */
