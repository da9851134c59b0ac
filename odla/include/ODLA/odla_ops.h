/* ODLA/odla_ops.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_OPS_H_
#define HALO_ODLA_ODLA_OPS_H_

/**
 * @file
 *
 * All operators of ODLA 0.5.
 */

#include <ODLA/ops/odla_ops_basic.h>
#include <ODLA/ops/odla_ops_control_flow.h>
#include <ODLA/ops/odla_ops_custom.h>
#include <ODLA/ops/odla_ops_math.h>
#include <ODLA/ops/odla_ops_nn.h>
#include <ODLA/ops/odla_ops_process.h>
#include <ODLA/ops/odla_ops_quantization.h>

#endif /* HALO_ODLA_ODLA_OPS_H_ */
