/* ODLA/odla_task.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_TASK_H_
#define HALO_ODLA_ODLA_TASK_H_

/**
 * @file
 *
 * Tasks: a function that runs a part of a model, with the values it reads and writes.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>
#include <ODLA/odla_device.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Sub-graph function with its inputs/outputs; BY VALUE. */
typedef struct {
  void (*func)(odla_device, odla_values, odla_values);
  odla_values inputs;
  odla_values outputs;
} odla_task;

/** User hook: (task runner, device, task) -> status. */
typedef odla_status (*odla_async_executor)(odla_status (*)(odla_device, odla_task), odla_device, odla_task);

/** Install user function that schedules async tasks. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetAsyncExecutor(
    odla_async_executor executor);

/** Run a (sub-graph function, inputs, outputs) task now. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_RunTask(odla_device device, odla_task task);

/**
 * Queue a task.
 *
 * The program's executor runs it, if one is installed, else a thread of the library. Destroying the
 * device waits for its tasks.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_RunTaskAsync(
    odla_device device, odla_task task);

#if defined(__LP64__)
ODLA_CHECK_LAYOUT(odla_task, sizeof(odla_task) == 1048);
ODLA_CHECK_LAYOUT(odla_task_field_func, offsetof(odla_task, func) == 0);
ODLA_CHECK_LAYOUT(odla_task_field_inputs, offsetof(odla_task, inputs) == 8);
ODLA_CHECK_LAYOUT(odla_task_field_outputs, offsetof(odla_task, outputs) == 528);
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_ODLA_TASK_H_ */
