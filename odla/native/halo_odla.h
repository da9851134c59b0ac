/* What the parts of libodla.so share: start-up of the interpreter, and what Python calls in C.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef HALO_ODLA_INTERNAL_H_
#define HALO_ODLA_INTERNAL_H_

#include <ODLA/odla.h>
#include <ODLA/odla_halo.h>
#include <stdarg.h>

/** Whether the interpreter runs and the Python side is loaded; starts both on the first call. */
int halo_ready(void);

/** Runs the generated module's start-up; 0 if it worked. */
int halo_start_module(void);

/** The rest of a variadic call's arguments, taken one by one. */
typedef struct halo_arguments {
  va_list list;
} halo_arguments;

int halo_next_int(halo_arguments* arguments);
int64_t halo_next_int64(halo_arguments* arguments);
double halo_next_double(halo_arguments* arguments);
void* halo_next_pointer(halo_arguments* arguments);

/** Whether every page of these bytes is mapped; tells a wild pointer from memory. */
int halo_mapped(const void* address, size_t bytes);

/** Memory aligned for devices; NULL if there is not enough. */
void* halo_allocate(size_t bytes);
void halo_free(void* address);

/** A variable of the program's environment as it is now; NULL if it is not set. */
const char* halo_environment(const char* name);

/** Write text through the program's own standard output or error output. */
void halo_print(const char* text);
void halo_print_error(const char* text);

/** The logger in use when the program installed none. */
void halo_default_logger(
    const char* file, int line, const char* function, odla_log_level level, const char* message);

#endif
