/* ODLA/odla_version.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_VERSION_H_
#define HALO_ODLA_ODLA_VERSION_H_

/**
 * @file
 *
 * The version of the interface and of the library.
 */

#include <ODLA/odla_common.h>

#ifdef __cplusplus
extern "C" {
#endif

/** API major. */
#define ODLA_MAJOR 0

/** API minor. */
#define ODLA_MINOR 5

/** API patch. */
#define ODLA_PATCH 0

/**
 * The version as one number: 50. (In the original header the macro names OLDA_PATCH and works in
 * #if only; here it works everywhere, with the same value.).
 */
#define ODLA_VERSION_NUMBER ((ODLA_MAJOR)*100 + (ODLA_MINOR)*10 + (ODLA_PATCH))

/** Implementation version text. */
extern ODLA_API_EXPORT const char* ODLA_API_CALL odla_GetVersionString(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_ODLA_VERSION_H_ */
