/* ODLA/odla_profiler.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_PROFILER_H_
#define HALO_ODLA_ODLA_PROFILER_H_

/**
 * @file
 *
 * Traces: what ran on a device, when, and what it cost.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_device.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Opaque trace. */
typedef struct _odla_device_trace* odla_device_trace;

/** Opaque trace key. */
typedef struct _odla_device_trace_item* odla_device_trace_item;

/** New trace object. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_CreateDeviceTrace(
    odla_device_trace* device_trace);

/**
 * Set trace property (variadic).
 *
 * The item is a C string, and one more argument follows. There is one setting, `path`: a C string,
 * the file that the trace is written to, at once if it holds runs, else when it is retrieved.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetDeviceTraceItem(
    odla_device_trace device_trace, odla_device_trace_item device_trace_item, ...);

/** Free trace object. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_ReleaseDeviceTrace(
    odla_device_trace device_trace);

/** Begin device tracing. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_StartDeviceProfiler(odla_device device);

/** Begin device tracing without blocking. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_AsyncStartDeviceProfiler(odla_device device);

/** End device tracing. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_StopDeviceProfiler(odla_device device);

/** End device tracing without blocking. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_AsyncStopDeviceProfiler(odla_device device);

/**
 * Fetch collected trace.
 *
 * If the pointer names a trace already, that one is filled; else a new one is made.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_RetrieveDeviceTrace(
    odla_device device, odla_device_trace* device_trace);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_ODLA_PROFILER_H_ */
