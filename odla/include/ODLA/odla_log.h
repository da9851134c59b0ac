/* ODLA/odla_log.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_LOG_H_
#define HALO_ODLA_ODLA_LOG_H_

/**
 * @file
 *
 * Messages of the library.
 *
 * They go to the logger that was installed, or to the standard error output. The level is
 * ODLA_LOG_LEVEL_ERROR at first, or what the environment variable ODLA_LOG_LEVEL names (off, fatal,
 * error, warn, info, debug, trace).
 */

#include <ODLA/odla_common.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Verbosity. */
typedef enum {
  ODLA_LOG_LEVEL_OFF = 0, /**< log level off */
  ODLA_LOG_LEVEL_FATAL = 1, /**< log level fatal */
  ODLA_LOG_LEVEL_ERROR = 2, /**< log level error */
  ODLA_LOG_LEVEL_WARN = 3, /**< log level warn */
  ODLA_LOG_LEVEL_INFO = 4, /**< log level info */
  ODLA_LOG_LEVEL_DEBUG = 5, /**< log level debug */
  ODLA_LOG_LEVEL_TRACE = 6, /**< log level trace */
} odla_log_level;

/** Log callback signature. */
typedef void (*odla_logging_func)(const char*, int, const char*, odla_log_level, const char*);

/** Set verbosity threshold. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetLogLevel(odla_log_level level);

/** Install log callback. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetLogger(odla_logging_func logger);

/** Current log callback. */
extern ODLA_API_EXPORT odla_logging_func ODLA_API_CALL odla_GetLogger(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_ODLA_LOG_H_ */
