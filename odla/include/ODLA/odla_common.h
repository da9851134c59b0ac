/* ODLA/odla_common.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_COMMON_H_
#define HALO_ODLA_ODLA_COMMON_H_

/**
 * @file
 *
 * Element types and status codes.
 *
 * Every function that answers a status answers ODLA_SUCCESS or the reason why not, and never ends
 * the program: a handle that was never given out or is gone, NULL where something is needed, and an
 * index or enumerator out of range are ODLA_INVALID_PARAM. Only a memory layout or a coordinate
 * mode that is none is taken as the first one of its kind: existing clients leave them unset.
 * Functions that answer a value answer NULL when they fail, those that answer values answer none.
 * The text of the last error is read with odla_GetLastErrorText (ODLA/odla_halo.h).
 *
 * Elements lie in memory as C has them: a boolean element is one byte (odla_bool, the type of
 * flags, has four), float16 and bfloat16 are two bytes, a string element is a pointer to a C
 * string. The quantised types have the bytes of the integers of the same width.
 */

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define ODLA_API_EXPORT __declspec(dllexport)
#define ODLA_API_CALL __stdcall
#else
#define ODLA_API_EXPORT
#define ODLA_API_CALL
#endif

/** Anonymous unions are newer than C99; compilers that know them take this word as permission. */
#if defined(__GNUC__)
#define ODLA_ANONYMOUS __extension__
#else
#define ODLA_ANONYMOUS
#endif

/** Stops the compiler where a struct has another layout than the libraries expect. */
#define ODLA_CHECK_LAYOUT(name, condition) typedef char odla_layout_of_##name[(condition) ? 1 : -1]

#ifdef __cplusplus
extern "C" {
#endif

/** An 8-bit signed integer. */
typedef int8_t odla_int8;

/** A 16-bit signed integer. */
typedef int16_t odla_int16;

/** A 32-bit signed integer. */
typedef int32_t odla_int32;

/** A 64-bit signed integer. */
typedef int64_t odla_int64;

/** An 8-bit unsigned integer. */
typedef uint8_t odla_uint8;

/** A 16-bit unsigned integer. */
typedef uint16_t odla_uint16;

/** A 32-bit unsigned integer. */
typedef uint32_t odla_uint32;

/** A 64-bit unsigned integer. */
typedef uint64_t odla_uint64;

/** Quantised, stored as an 8-bit signed integer. */
typedef int8_t odla_qint8;

/** Quantised, stored as a 16-bit signed integer. */
typedef int16_t odla_qint16;

/** Quantised, stored as a 32-bit signed integer. */
typedef int32_t odla_qint32;

/** Quantised, stored as a 64-bit signed integer. */
typedef int64_t odla_qint64;

/** Quantised, stored as an 8-bit unsigned integer. */
typedef uint8_t odla_quint8;

/** Quantised, stored as a 16-bit unsigned integer. */
typedef uint16_t odla_quint16;

/** Quantised, stored as a 32-bit unsigned integer. */
typedef uint32_t odla_quint32;

/** Quantised, stored as a 64-bit unsigned integer. */
typedef uint64_t odla_quint64;

/** Half stored as uint16. */
typedef uint16_t odla_float16;

/** Bfloat16 stored as uint16. */
typedef uint16_t odla_bfloat16;

/** A 32-bit float. */
typedef float odla_float32;

/** A 64-bit float. */
typedef double odla_float64;

/** C string. */
typedef const char* odla_string;

/** 32-bit boolean. */
typedef odla_uint32 odla_bool;

/** Tensor element types. */
typedef enum {
  ODLA_INT8 = 0, /**< element type int8 */
  ODLA_INT16 = 1, /**< element type int16 */
  ODLA_INT32 = 2, /**< element type int32 */
  ODLA_INT64 = 3, /**< element type int64 */
  ODLA_UINT8 = 4, /**< element type uint8 */
  ODLA_UINT16 = 5, /**< element type uint16 */
  ODLA_UINT32 = 6, /**< element type uint32 */
  ODLA_UINT64 = 7, /**< element type uint64 */
  ODLA_QINT8 = 8, /**< element type qint8 */
  ODLA_QINT16 = 9, /**< element type qint16 */
  ODLA_QINT32 = 10, /**< element type qint32 */
  ODLA_QINT64 = 11, /**< element type qint64 */
  ODLA_QUINT8 = 12, /**< element type quint8 */
  ODLA_QUINT16 = 13, /**< element type quint16 */
  ODLA_QUINT32 = 14, /**< element type quint32 */
  ODLA_QUINT64 = 15, /**< element type quint64 */
  ODLA_FLOAT16 = 16, /**< element type float16 */
  ODLA_BFLOAT16 = 17, /**< element type bfloat16 */
  ODLA_FLOAT32 = 18, /**< element type float32 */
  ODLA_FLOAT64 = 19, /**< element type float64 */
  ODLA_BOOL = 20, /**< element type bool */
  ODLA_STRING = 21, /**< element type string */
} odla_element_type;

/** A character. */
typedef char odla_char;

/** A size in bytes, or a count. */
typedef size_t odla_size_t;

/** No type. */
typedef void odla_void;

/** Return codes, 0 = success. */
typedef enum {
  ODLA_SUCCESS = 0, /**< ok */
  ODLA_DL_ERROR = 1, /**< shared library load failed */
  ODLA_FILE_NOT_EXIST = 2, /**< missing file */
  ODLA_INVALID_PARAM = 3, /**< bad argument */
  ODLA_MEM_ERROR = 4, /**< memory failure */
  ODLA_UNSUPPORTED_DATATYPE = 5, /**< element type (popart also uses it for unknown items) */
  ODLA_UNSUPPORTED_DEVICE_TYPE = 6, /**< device kind */
  ODLA_UNSUPPORTED_OP = 7, /**< op not available */
  ODLA_TIMEOUT = 8, /**< timed out */
  ODLA_INTERNAL_LOGIC_ERR = 9, /**< internal bug */
  ODLA_RECOVERABLE_ERR = 10, /**< device auto-recoverable (IPU reset) */
  ODLA_PARTITION_RESET = 11, /**< needs partition reset */
  ODLA_FULL_RESET = 12, /**< needs full reset */
  ODLA_UNRECOVERABLE_ERR = 13, /**< not recoverable */
  ODLA_FAILURE = 14, /**< generic failure */
} odla_status;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_ODLA_COMMON_H_ */
