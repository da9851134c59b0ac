/* ODLA/ops/odla_ops_control_flow.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_OPS_ODLA_OPS_CONTROL_FLOW_H_
#define HALO_ODLA_OPS_ODLA_OPS_CONTROL_FLOW_H_

/**
 * @file
 *
 * Loops and conditionals, by scopes: operators called between begin and end belong to the body.
 * Scopes nest.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How loop outputs are collected. */
typedef enum {
  ODLA_LOOP_LAST_VALUE = 0, /**< final value only */
  ODLA_LOOP_FWD_BEFORE = 1, /**< stack per iteration, value before update */
  ODLA_LOOP_FWD_AFTER = 2, /**< stack per iteration, value after update */
  ODLA_LOOP_REV_BEFORE = 3, /**< reversed stack, before update */
  ODLA_LOOP_REV_AFTER = 4, /**< reversed stack, after update */
} odla_loop_output_mode;

/**
 * Loop-carried variable with initial value.
 *
 * Inside a loop's body. In the body it stands for the value at the start of an iteration, after the
 * loop for the last value. odla_Assign says what it becomes.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_CreateLoopVariable(
    odla_value init_value, odla_value_id value_id);

/**
 * Open loop scope with scalar trip count.
 *
 * The trip count is a value with one integer.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_BeginLoop(
    odla_value trip_count, odla_value_id value_id);

/**
 * Close loop; condition may be NULL; pick output collection mode per value.
 *
 * The loop goes on while the condition (a boolean, evaluated at the end of the body) holds and the
 * trip count is not reached; NULL: it always holds. A loop variable becomes what odla_Assign gave
 * it; without that, the output value in the place of the variable's creation, if that is another
 * value. The answer has one value per output value: the last one (ODLA_LOOP_LAST_VALUE), or those
 * of all iterations stacked along a new first dimension. flags may be NULL: last values.
 */
extern ODLA_API_EXPORT odla_values ODLA_API_CALL odla_EndLoop(
    odla_value condition, odla_values output_values, const odla_loop_output_mode* flags,
    odla_value_ids value_ids);

/**
 * Open conditional on a boolean value.
 *
 * The body for true is entered at first.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_BeginIf(
    odla_value condition, odla_value_id value_ids);

/** Switch to then (1) or else (0) body. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_EnterBranchBody(odla_bool true_branch);

/**
 * Close conditional, return merged outputs.
 *
 * One value per output that the bodies marked with odla_SetValueAsOutput, in order; both must mark
 * equally many.
 */
extern ODLA_API_EXPORT odla_values ODLA_API_CALL odla_EndIf(odla_value_ids value_ids);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_OPS_ODLA_OPS_CONTROL_FLOW_H_ */
