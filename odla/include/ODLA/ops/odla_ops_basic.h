/* ODLA/ops/odla_ops_basic.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_OPS_ODLA_OPS_BASIC_H_
#define HALO_ODLA_OPS_ODLA_OPS_BASIC_H_

/**
 * @file
 *
 * Arguments, constants, variables and eager values.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Graph input placeholder.
 *
 * A dimension of -1 is open: odla_SetRuntimeShape says its size. With ODLA_DYNAMIC_BATCH the
 * leading dimension of every argument is the run's batch. Without a current computation the
 * argument is an eager value.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_CreateArgument(
    const odla_value_type value_type, const odla_value_id value_id);

/** Free-standing (eager) value. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_CreateValue(
    const odla_value_type value_type, const odla_value_id value_id);

/**
 * Constant tensor from caller memory.
 *
 * The contents are copied. Without a current computation the constant is an eager value.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_CreateConstant(
    const odla_value_type value_type, const odla_void* data_ptr, const odla_value_id value_id);

/**
 * Deep copy of a value.
 *
 * Of an eager value the contents are copied; of a computation's value the clone is another value
 * that is equal to it.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_CloneValue(
    const odla_value src_value, const odla_value_id value_id);

/** Deep copy by source id. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_CloneValueById(
    const odla_value_id src_value_id, const odla_value_id value_id);

/**
 * Trainable variable.
 *
 * A variable holds zeros until odla_SetValueData sets it; what odla_Assign gives it is kept from
 * run to run. Variables are no arguments: nothing is bound to them.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_CreateVariable(
    const odla_value_type value_type, const odla_value_id value_id);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_OPS_ODLA_OPS_BASIC_H_ */
