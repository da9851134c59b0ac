/* ODLA/ops/odla_ops_custom.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_OPS_ODLA_OPS_CUSTOM_H_
#define HALO_ODLA_OPS_ODLA_OPS_CUSTOM_H_

/**
 * @file
 *
 * Operators by name.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Call a named vendor op, attributes variadic.
 *
 * op_name is an operator of ONNX or of HALO; function_name is not used. There are as many results
 * as ids, at least one. After the ids come pairs of an attribute's name (a C string) and its value,
 * closed by a NULL pointer: integers and element types as odla_int64, floats as double, texts as C
 * strings, lists as an odla_int64 count and a pointer to odla_int64 or double. custom_IpuGelu(x)
 * and custom_IpuAttentionMask(sequence, like), which existing programs call, take no attributes.
 */
extern ODLA_API_EXPORT odla_values ODLA_API_CALL odla_CustomOp(
    odla_values inputs, const odla_char* op_name, const odla_char* function_name, const
    odla_value_ids ids, ...);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_OPS_ODLA_OPS_CUSTOM_H_ */
