/* ODLA/odla_value.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_VALUE_H_
#define HALO_ODLA_ODLA_VALUE_H_

/**
 * @file
 *
 * Values: tensors of a computation, or free-standing ("eager") ones.
 *
 * A value belongs to the computation that was current when it was made and lives until that
 * computation is destroyed. Without a current computation values are eager: operators run at once,
 * odla_GetValueData reads results, and odla_ReleaseValue gives a value back.
 *
 * Ids are C strings and are copied; NULL leaves a value without id. An id below 4096 is taken as a
 * number. A later value takes an id over from an earlier one.
 *
 * A shape of size -1 (or any other that is out of range) is unknown, and so is a dimension of -1.
 * Output shapes that operators take are hints only, unless the function says that it needs them:
 * they may be uninitialised.
 */

#include <ODLA/odla_common.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Max rank. */
#define ODLA_MAX_DIMENSION 10

/** Max values in a list. */
#define ODLA_MAX_OUTPUTS 64

/** Tagged scalar (type + union). */
typedef struct {
  odla_element_type data_type;
  ODLA_ANONYMOUS union {
    odla_int32 val_int32;
    odla_uint32 val_uint32;
    odla_int64 val_int64;
    odla_uint64 val_uint64;
    odla_float32 val_fp32;
    odla_float64 val_fp64;
    odla_string val_str;
  };
} odla_scalar_value;

/** Rank (-1 undefined) + up to 10 dims (-1 unknown); passed BY VALUE. */
typedef struct {
  odla_int32 size;
  odla_int64 dims[ODLA_MAX_DIMENSION];
} odla_value_shape;

/** Element type + shape; passed BY VALUE. */
typedef struct {
  odla_element_type element_type;
  odla_value_shape shape;
} odla_value_type;

/** Opaque tensor handle. */
typedef struct _odla_value* odla_value;

/** Up to 64 value handles; passed/returned BY VALUE (520 bytes). */
typedef struct {
  odla_size_t size;
  odla_value values[ODLA_MAX_OUTPUTS];
} odla_values;

/** Opaque id; in practice a C string (or int cast) supplied by caller. */
typedef struct _odla_value_id* odla_value_id;

/** Up to 64 ids; BY VALUE. */
typedef struct {
  odla_size_t size;
  odla_value_id value_ids[ODLA_MAX_OUTPUTS];
} odla_value_ids;

/**
 * Give an eager-mode value its data (interpreter style).
 *
 * For eager values and variables; the contents are copied. Memory for arguments is bound, not set.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetValueData(
    odla_value value, const odla_void* data_ptr);

/**
 * Same, value looked up by id.
 *
 * For eager values and variables; the contents are copied. Memory for arguments is bound, not set.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetValueDataById(
    const odla_value_id value_id, const odla_void* data_ptr);

/**
 * Obtain pointer to a value's own storage.
 *
 * For eager values, variables and constants. The memory belongs to the value and lives as long as
 * its contents are not replaced.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetRawDataPtr(
    const odla_value value, odla_void** data_ptr);

/** Copy a value's data out, by id. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetValueDataById(
    const odla_value_id value_id, odla_void* data_ptr);

/** Element type + shape of a value. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetValueType(
    const odla_value value, odla_value_type* value_type);

/** Type of the value with this id. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetValueTypeById(
    const odla_value_id value_id, odla_value_type* value_type);

/**
 * Id the value was created with (backends return char*).
 *
 * The id is a C string (cast it to const char*) that lives as long as the value; NULL if the value
 * has none.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetValueId(
    const odla_value value, odla_value_id* value_id);

/** Look a value up by id. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_FindValueById(
    const odla_value_id value_id, odla_value* value);

/**
 * Mark value as next computation output.
 *
 * Inside a conditional's body it marks the next result of the branch.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetValueAsOutput(odla_value value);

/** Mark several values as outputs, in order. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetValuesAsOutput(odla_values values);

/** Mark output by id. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetValueAsOutputById(
    const odla_value_id value_id);

/**
 * Drop an eager value.
 *
 * Values of a computation live as long as it does: releasing them succeeds and does nothing.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_ReleaseValue(odla_value value);

/** Drop an eager value by id. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_ReleaseValueById(odla_value_id value_id);

/** Print a value (debug). */
extern ODLA_API_EXPORT void ODLA_API_CALL odla_Dump(odla_value value);

#if defined(__LP64__)
ODLA_CHECK_LAYOUT(odla_scalar_value, sizeof(odla_scalar_value) == 16);
ODLA_CHECK_LAYOUT(odla_scalar_value_field_data_type, offsetof(odla_scalar_value, data_type) == 0);
ODLA_CHECK_LAYOUT(odla_scalar_value_field_val_int32, offsetof(odla_scalar_value, val_int32) == 8);
ODLA_CHECK_LAYOUT(odla_scalar_value_field_val_uint32, offsetof(odla_scalar_value, val_uint32) == 8);
ODLA_CHECK_LAYOUT(odla_scalar_value_field_val_int64, offsetof(odla_scalar_value, val_int64) == 8);
ODLA_CHECK_LAYOUT(odla_scalar_value_field_val_uint64, offsetof(odla_scalar_value, val_uint64) == 8);
ODLA_CHECK_LAYOUT(odla_scalar_value_field_val_fp32, offsetof(odla_scalar_value, val_fp32) == 8);
ODLA_CHECK_LAYOUT(odla_scalar_value_field_val_fp64, offsetof(odla_scalar_value, val_fp64) == 8);
ODLA_CHECK_LAYOUT(odla_scalar_value_field_val_str, offsetof(odla_scalar_value, val_str) == 8);
ODLA_CHECK_LAYOUT(odla_value_shape, sizeof(odla_value_shape) == 88);
ODLA_CHECK_LAYOUT(odla_value_shape_field_size, offsetof(odla_value_shape, size) == 0);
ODLA_CHECK_LAYOUT(odla_value_shape_field_dims, offsetof(odla_value_shape, dims) == 8);
ODLA_CHECK_LAYOUT(odla_value_type, sizeof(odla_value_type) == 96);
ODLA_CHECK_LAYOUT(odla_value_type_field_element_type, offsetof(odla_value_type, element_type) == 0);
ODLA_CHECK_LAYOUT(odla_value_type_field_shape, offsetof(odla_value_type, shape) == 8);
ODLA_CHECK_LAYOUT(odla_values, sizeof(odla_values) == 520);
ODLA_CHECK_LAYOUT(odla_values_field_size, offsetof(odla_values, size) == 0);
ODLA_CHECK_LAYOUT(odla_values_field_values, offsetof(odla_values, values) == 8);
ODLA_CHECK_LAYOUT(odla_value_ids, sizeof(odla_value_ids) == 520);
ODLA_CHECK_LAYOUT(odla_value_ids_field_size, offsetof(odla_value_ids, size) == 0);
ODLA_CHECK_LAYOUT(odla_value_ids_field_value_ids, offsetof(odla_value_ids, value_ids) == 8);
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_ODLA_VALUE_H_ */
