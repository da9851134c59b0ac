/* ODLA/ops/odla_ops_math.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_OPS_ODLA_OPS_MATH_H_
#define HALO_ODLA_OPS_ODLA_OPS_MATH_H_

/**
 * @file
 *
 * Arithmetic, comparison, logic, reductions and matrix products.
 *
 * Operands of two-operand functions broadcast both ways, as ONNX has it (aligned at the last
 * dimension). Both need one element type.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Elementwise absolute value. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Abs(
    odla_value input, const odla_value_id value_id);

/** Elementwise arccos. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ACos(
    odla_value x, const odla_value_id value_id);

/** Elementwise inverse cosh. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ACosh(
    odla_value x, const odla_value_id value_id);

/** Elementwise sum (broadcast; doc says to lhs shape). */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Add(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Logical and. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_And(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/**
 * Index of maximum along an axis.
 *
 * keep_dims leaves the dimension with size 1. The result has the element type of output_value_type;
 * its shape there is a hint.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ArgMax(
    odla_value input, odla_int32 axis, odla_bool keep_dims, odla_bool return_last_index,
    odla_value_type output_value_type, const odla_value_id value_id);

/**
 * Index of minimum along an axis.
 *
 * keep_dims leaves the dimension with size 1. The result has the element type of output_value_type;
 * its shape there is a hint.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ArgMin(
    odla_value input, odla_int32 axis, odla_bool keep_dims, odla_bool return_last_index,
    odla_value_type output_value_type, const odla_value_id value_id);

/** Elementwise arcsin. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ASin(
    odla_value x, const odla_value_id value_id);

/** Elementwise inverse sinh. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ASinh(
    odla_value x, const odla_value_id value_id);

/** Elementwise arctan. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ATan(
    odla_value x, const odla_value_id value_id);

/** Elementwise inverse tanh. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ATanh(
    odla_value x, const odla_value_id value_id);

/** Round toward +inf. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Ceil(
    odla_value input, const odla_value_id value_id);

/** Limit to [lo,hi]. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Clamp(
    odla_value input, odla_float32 lo, odla_float32 hi, const odla_value_id value_id);

/** Determinant, batched. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Det(
    odla_value input, odla_value_shape output_shape, const odla_value_id value_id);

/** Running sum along axis tensor, exclusive/reverse flags. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_CumSum(
    odla_value input, odla_value axis, odla_bool exclusion, odla_bool reverse, const odla_value_id
    value_id);

/** Elementwise quotient. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Div(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Einstein summation by equation string. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Einsum(
    odla_values inputs, const odla_char* equation, odla_value_shape output_dims, const odla_value_id
    value_id);

/** Gauss error function. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Erf(
    odla_value input, const odla_value_id value_id);

/** Elementwise ==. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Equal(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** E^x. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Exp(
    odla_value input, const odla_value_id value_id);

/** Round toward -inf. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Floor(
    odla_value input, const odla_value_id value_id);

/** Batched matrix product with transpose flags. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_BatchMatMul(
    odla_value A, odla_bool A_transpose, odla_value B, odla_bool B_transpose, odla_value_shape
    output_dims, const odla_value_id value_id);

/**
 * Alpha*op(A)*op(B)+beta*C, C may be NULL.
 *
 * C broadcasts to the product. Operands with more than two dimensions multiply as batches of
 * matrices.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Gemm(
    odla_value A, odla_bool A_transpose, odla_value B, odla_bool B_transpose, odla_float32 alpha,
    odla_float32 beta, odla_value C, odla_value_shape output_dims, const odla_value_id value_id);

/** Elementwise >. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Greater(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Elementwise >=. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_GreaterOrEqual(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/**
 * Matrix inverse, batched.
 *
 * A singular matrix gives NaN.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Inverse(
    odla_value input, const odla_value_id value_id);

/** Infinity test with sign selection. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_IsInf(
    odla_value input, odla_bool detect_pos, odla_bool detect_neg, const odla_value_id value_id);

/** NaN test. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_IsNaN(
    odla_value input, const odla_value_id value_id);

/** Elementwise <. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Less(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Elementwise <=. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_LessOrEqual(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Natural log. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Log(
    odla_value input, const odla_value_id value_id);

/** Elementwise larger. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Max(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Elementwise mean of N inputs. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Mean(
    odla_values inputs, const odla_value_id value_id);

/** Elementwise smaller. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Min(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/**
 * Elementwise modulo; fmod flag is int64.
 *
 * With fmod 0 the result has the sign of the divisor, else that of the dividend; floats always take
 * the dividend's.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Mod(
    odla_value lhs, odla_value rhs, odla_int64 fmod, const odla_value_id value_id);

/** Elementwise product. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Mul(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Sign flip. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Neg(
    odla_value input, const odla_value_id value_id);

/** Logical not. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Not(
    odla_value input, const odla_value_id value_id);

/** Elementwise !=. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_NotEqual(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Logical or. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Or(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Logical xor. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Xor(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Base^exponent. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Pow(
    odla_value base, odla_value exponent, const odla_value_id value_id);

/** 1/x. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Reciprocal(
    odla_value input, const odla_value_id value_id);

/**
 * L1 norm over axes.
 *
 * The sum of magnitudes, plus epsilon. Without axes all dimensions are reduced.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReduceL1(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_bool keep_dims,
    odla_float32 epsilon, odla_value_shape output_dims, const odla_value_id value_id);

/**
 * L2 norm over axes.
 *
 * The root of the sum of squares plus epsilon. Without axes all dimensions are reduced.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReduceL2(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_bool keep_dims,
    odla_float32 epsilon, odla_value_shape output_dims, const odla_value_id value_id);

/** Log of sum over axes. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReduceLogSum(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_bool keep_dims,
    odla_value_shape output_dims, const odla_value_id value_id);

/** Log-sum-exp over axes. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReduceLogSumExp(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_bool keep_dims,
    odla_value_shape output_dims, const odla_value_id value_id);

/** Max over axes. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReduceMax(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_bool keep_dims,
    odla_value_shape output_dims, const odla_value_id value_id);

/** Mean over axes. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReduceMean(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_bool keep_dims,
    odla_value_shape output_dims, const odla_value_id value_id);

/** Min over axes. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReduceMin(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_bool keep_dims,
    odla_value_shape output_dims, const odla_value_id value_id);

/** Product over axes. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReduceProd(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_bool keep_dims,
    odla_value_shape output_dims, const odla_value_id value_id);

/** Sum over axes. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReduceSum(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_bool keep_dims,
    odla_value_shape output_dims, const odla_value_id value_id);

/** Sum of squares over axes. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_ReduceSumSquare(
    odla_value input, odla_size_t num_of_axes, const odla_uint32* axes, odla_bool keep_dims,
    odla_value_shape output_dims, const odla_value_id value_id);

/**
 * Nearest integer (doc: ties away from zero).
 *
 * Halves go away from zero. (ONNX rounds them to even: odla_CustomOp with Round.)
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Round(
    odla_value input, const odla_value_id value_id);

/** 1/sqrt(x). */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Rsqrt(
    odla_value input, const odla_value_id value_id);

/** Where(condition,a,b). */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Select(
    odla_value condition, odla_value a, odla_value b, odla_value_shape output_dims, const
    odla_value_id value_id);

/** Bit shift left/right by tensor. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Shift(
    odla_value input, odla_value shift_amount, odla_bool is_left_shift, const odla_value_id
    value_id);

/** Sign. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Sign(
    odla_value input, const odla_value_id value_id);

/** Square root. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Sqrt(
    odla_value input, const odla_value_id value_id);

/** (lhs-rhs)^2. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_SquaredDifference(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Elementwise difference. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Sub(
    odla_value lhs, odla_value rhs, const odla_value_id value_id);

/** Sine. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Sin(
    odla_value x, const odla_value_id value_id);

/** Hyperbolic sine. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Sinh(
    odla_value x, const odla_value_id value_id);

/** Cosine. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Cos(
    odla_value x, const odla_value_id value_id);

/** Hyperbolic cosine. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Cosh(
    odla_value x, const odla_value_id value_id);

/** Tangent. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Tan(
    odla_value x, const odla_value_id value_id);

/** Hyperbolic tangent. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Tanh(
    odla_value x, const odla_value_id value_id);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_OPS_ODLA_OPS_MATH_H_ */
