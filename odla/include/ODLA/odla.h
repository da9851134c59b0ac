/* ODLA/odla.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_H_
#define HALO_ODLA_ODLA_H_

/**
 * @file
 *
 * The whole ODLA 0.5 interface. Extensions stand apart, in ODLA/odla_halo.h.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>
#include <ODLA/odla_device.h>
#include <ODLA/odla_compute.h>
#include <ODLA/odla_log.h>
#include <ODLA/odla_memory.h>
#include <ODLA/ops/odla_ops_basic.h>
#include <ODLA/ops/odla_ops_control_flow.h>
#include <ODLA/ops/odla_ops_custom.h>
#include <ODLA/ops/odla_ops_math.h>
#include <ODLA/ops/odla_ops_nn.h>
#include <ODLA/ops/odla_ops_process.h>
#include <ODLA/ops/odla_ops_quantization.h>
#include <ODLA/odla_profiler.h>
#include <ODLA/odla_task.h>
#include <ODLA/odla_version.h>

#endif /* HALO_ODLA_ODLA_H_ */
