/* ODLA/odla_halo.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_HALO_H_
#define HALO_ODLA_ODLA_HALO_H_

/**
 * @file
 *
 * Extensions of HALO's library to ODLA 0.5.
 *
 * A program that includes only ODLA/odla.h never notices them. Structs begin with their size as the
 * caller knows it, so that they can grow.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>
#include <ODLA/odla_device.h>
#include <ODLA/odla_compute.h>
#include <ODLA/odla_profiler.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of this header; it grows with every function or field added. */
#define ODLA_HALO_VERSION 1

/** What the last run of a context cost. */
typedef struct {
  odla_size_t struct_size;
  odla_uint64 runs;
  odla_float64 host_seconds;
  odla_uint64 device_cycles;
  odla_float64 device_seconds;
  odla_uint64 exchanged_bytes;
  odla_uint64 multiply_accumulates;
} odla_run_profile;

/**
 * Make a computation the one that this thread's calls build and bind (NULL: none).
 *
 * NULL puts the thread into eager mode, even while computations exist.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetActiveComputation(
    odla_computation computation);

/**
 * Text of the last call of this thread that failed; empty if none did.
 *
 * The text lives until this function is called again in the same thread. It also answers why the
 * library could not start.
 */
extern ODLA_API_EXPORT const odla_char* ODLA_API_CALL odla_GetLastErrorText(void);

/** Status of the last call of this thread that failed. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetLastErrorStatus(void);

/**
 * Whether a device runs what a function of this API adds, and where or why not.
 *
 * The function is named as in C, e.g. odla_NMS; a NULL device is the one that calls without a
 * device use. A text that is not empty says why not, or that the host does the work and why the
 * device's own processors cannot. text may be NULL with text_size 0.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_QueryOpSupport(
    odla_device device, const odla_char* function_name, odla_bool* supported, odla_size_t text_size,
    odla_char* text);

/**
 * Cycles, bytes and seconds of the last run of a context.
 *
 * The caller sets struct_size to sizeof(odla_run_profile); no more than that is written, and
 * struct_size becomes what was.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetRunProfile(
    odla_context context, odla_run_profile* profile);

/**
 * The whole profile of the last run of a context as JSON.
 *
 * With text_size 0 only the size needed is answered, the closing zero byte included.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetRunProfileText(
    odla_context context, odla_size_t text_size, odla_char* text, odla_size_t* needed);

/**
 * A retrieved device trace as JSON (the trace event format).
 *
 * With text_size 0 only the size needed is answered, the closing zero byte included.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetDeviceTraceText(
    odla_device_trace device_trace, odla_size_t text_size, odla_char* text, odla_size_t* needed);

/**
 * Bytes that storing a computation or an executable to memory takes.
 *
 * Give one of the two, and NULL for the other.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetStoredSize(
    odla_computation computation, odla_executable executable, odla_size_t* size);

/**
 * The value a loop variable or variable takes next.
 *
 * Inside a loop's body for its variables; outside for variables of the computation, and at once
 * between eager values.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_Assign(odla_value dst, odla_value src);

/**
 * Layer normalisation over the last axes.
 *
 * The axes must be the last ones. scale and offset may be NULL.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_LayerNorm(
    odla_value input, odla_size_t num_of_axes, const odla_int32* axes, odla_float32 epsilon,
    odla_value scale, odla_value offset, const odla_value_id value_id);

/** X * sigmoid(x). */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Swish(
    odla_value input, const odla_value_id value_id);

/** X * clip(x / 6 + 0.5, 0, 1). */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_HardSwish(
    odla_value input, const odla_value_id value_id);

/** Dropout; at inference the input itself. */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Dropout(
    odla_value input, odla_float32 ratio, const odla_value_id value_id);

/**
 * Self-attention: softmax(q k' / sqrt(size of a head) + mask) v over heads side by side.
 *
 * input is [batch, sequence, hidden]. A weight [hidden, heads, size] says how many heads there are;
 * weights [hidden, width] are one head, or as many as the mask [batch, heads, sequence, sequence]
 * has. A bias has one number per column and may be NULL. The mask is added to the scores, broadcast
 * to [batch, heads, sequence, sequence], and may be NULL. The result is [batch, sequence, heads x
 * size]. (Existing generators call it with these operands and say nothing of the heads.)
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_MultiHeadAttention(
    odla_value input, odla_value mask, odla_value query_weight, odla_value query_bias, odla_value
    key_weight, odla_value key_bias, odla_value value_weight, odla_value value_bias, const
    odla_value_id value_id);

/**
 * State the type of a value; what can hold contents holds zeros of it.
 *
 * Eager values and variables then hold zeros; a variable's type must be the declared one. For other
 * values the statement is checked: dimensions of -1, and values whose shape is not known, fit
 * everything. A NULL value is a statement about nothing: existing generators put the call in front
 * of the operator.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_InitValue(
    odla_computation computation, odla_value value, odla_element_type element_type, odla_value_shape
    shape);

#if defined(__LP64__)
ODLA_CHECK_LAYOUT(odla_run_profile, sizeof(odla_run_profile) == 56);
ODLA_CHECK_LAYOUT(odla_run_profile_field_struct_size, offsetof(odla_run_profile, struct_size) == 0);
ODLA_CHECK_LAYOUT(odla_run_profile_field_runs, offsetof(odla_run_profile, runs) == 8);
ODLA_CHECK_LAYOUT(odla_run_profile_field_host_seconds, offsetof(odla_run_profile, host_seconds) == 16);
ODLA_CHECK_LAYOUT(odla_run_profile_field_device_cycles, offsetof(odla_run_profile, device_cycles) == 24);
ODLA_CHECK_LAYOUT(odla_run_profile_field_device_seconds, offsetof(odla_run_profile, device_seconds) == 32);
ODLA_CHECK_LAYOUT(odla_run_profile_field_exchanged_bytes, offsetof(odla_run_profile, exchanged_bytes) == 40);
ODLA_CHECK_LAYOUT(odla_run_profile_field_multiply_accumulates, offsetof(odla_run_profile, multiply_accumulates) == 48);
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_ODLA_HALO_H_ */
