/* ODLA/odla_memory.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_MEMORY_H_
#define HALO_ODLA_ODLA_MEMORY_H_

/**
 * @file
 *
 * Memory. The devices of this library keep no memory of their own that a program could address:
 * device memory is host memory that is aligned for them, and both kinds can be bound and copied
 * freely.
 */

#include <ODLA/odla_common.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Copy direction. */
typedef enum {
  ODLA_MEMCPY_H2H = 0, /**< memcpy h2h */
  ODLA_MEMCPY_H2D = 1, /**< memcpy h2d */
  ODLA_MEMCPY_D2H = 2, /**< memcpy d2h */
  ODLA_MEMCPY_D2D = 3, /**< memcpy d2d */
} odla_memcpy_type;

/** Malloc on device. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_AllocateDeviceMemory(
    odla_void** dev_ptr, odla_size_t size);

/** Free device memory. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_FreeDeviceMemory(odla_void* ptr);

/** Malloc host (possibly pinned) memory. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_AllocateHostMemory(
    odla_void** host_ptr, odla_size_t size);

/** Free host memory. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_FreeHostMemory(odla_void* ptr);

/** Copy bytes between host/device. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_CopyMemory(
    odla_void* dst, odla_void* src, odla_size_t size, odla_memcpy_type type);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_ODLA_MEMORY_H_ */
