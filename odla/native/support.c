/* The variadic functions, and what the Python side needs from C.
 * SPDX-License-Identifier: Apache-2.0 */

#define _GNU_SOURCE
#include "halo_odla.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

extern odla_status halo_odla_SetDeviceConfigItem(odla_device_config, odla_device_config_item, halo_arguments*);
extern odla_status halo_odla_SetDeviceTraceItem(odla_device_trace, odla_device_trace_item, halo_arguments*);
extern odla_values halo_odla_CustomOp(odla_values, const odla_char*, const odla_char*, odla_value_ids, halo_arguments*);

odla_status odla_SetDeviceConfigItem(odla_device_config device_config, odla_device_config_item device_config_item, ...) {
  if (!halo_ready()) return ODLA_DL_ERROR;
  halo_arguments rest;
  va_start(rest.list, device_config_item);
  odla_status status = halo_odla_SetDeviceConfigItem(device_config, device_config_item, &rest);
  va_end(rest.list);
  return status;
}

odla_status odla_SetDeviceTraceItem(odla_device_trace device_trace, odla_device_trace_item device_trace_item, ...) {
  if (!halo_ready()) return ODLA_DL_ERROR;
  halo_arguments rest;
  va_start(rest.list, device_trace_item);
  odla_status status = halo_odla_SetDeviceTraceItem(device_trace, device_trace_item, &rest);
  va_end(rest.list);
  return status;
}

odla_values odla_CustomOp(
    odla_values inputs, const odla_char* op_name, const odla_char* function_name, const odla_value_ids ids, ...) {
  odla_values made = {0, {NULL}};
  if (!halo_ready()) return made;
  halo_arguments rest;
  va_start(rest.list, ids);
  made = halo_odla_CustomOp(inputs, op_name, function_name, ids, &rest);
  va_end(rest.list);
  return made;
}

int halo_next_int(halo_arguments* arguments) { return va_arg(arguments->list, int); }

int64_t halo_next_int64(halo_arguments* arguments) { return va_arg(arguments->list, int64_t); }

double halo_next_double(halo_arguments* arguments) { return va_arg(arguments->list, double); }

void* halo_next_pointer(halo_arguments* arguments) { return va_arg(arguments->list, void*); }

/* Whether the byte can be read: reserved pages are mapped, but nobody may touch them. */
static int readable(uintptr_t address) {
  char byte;
  struct iovec here = {&byte, 1}, there = {(void*)address, 1};
  return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1 || errno != EFAULT;
}

int halo_mapped(const void* address, size_t bytes) {
  enum { PAGES_AT_ONCE = 4096 };
  unsigned char resident[PAGES_AT_ONCE];
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t from = (uintptr_t)address, to = from + bytes;
  if (bytes == 0) return 1;
  if (to < from || !readable(from) || (bytes > 1 && !readable(to - 1))) return 0;
  from -= from % page;
  while (from < to) {
    size_t part = to - from < PAGES_AT_ONCE * page ? to - from : PAGES_AT_ONCE * page;
    if (mincore((void*)from, part, resident) != 0 && errno != EAGAIN) return 0;
    from += PAGES_AT_ONCE * page;
  }
  return 1;
}

void* halo_allocate(size_t bytes) {
  void* address = NULL;
  return posix_memalign(&address, 64, bytes ? bytes : 1) == 0 ? address : NULL;
}

void halo_free(void* address) { free(address); }

const char* halo_environment(const char* name) { return getenv(name); }

void halo_print(const char* text) { fputs(text, stdout); }

void halo_print_error(const char* text) { fputs(text, stderr); }

void halo_default_logger(
    const char* file, int line, const char* function, odla_log_level level, const char* message) {
  fprintf(stderr, "odla %d: %s:%d %s: %s\n", (int)level, file, line, function, message);
}
