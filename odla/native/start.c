/* Start-up of libodla.so: the interpreter it was built for, then the Python package.
 *
 * HALO_ODLA_PYTHON names another interpreter of the same version, HALO_ODLA_PATH another folder of packages. A failure is
 * remembered with its text, and every later call answers it.
 * SPDX-License-Identifier: Apache-2.0 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "halo_odla.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOT_STARTED, READY, FAILED };

static atomic_int state = NOT_STARTED;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static char failure[4096];

static void fail(const char* what, const char* why) {
  snprintf(failure, sizeof failure, "libodla cannot start: %s%s%s", what, why ? ": " : "", why ? why : "");
}

static const char* setting(const char* variable, const char* built_in) {
  const char* value = getenv(variable);
  return value && *value ? value : built_in;
}

/* The exception that is set becomes the failure's text. */
static void fail_with_exception(const char* what) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  PyObject* text = value ? PyObject_Str(value) : NULL;
  const char* bytes = text ? PyUnicode_AsUTF8(text) : NULL;
  char message[3072];
  snprintf(message, sizeof message, "%s: %s", type ? ((PyTypeObject*)type)->tp_name : "error", bytes ? bytes : "");
  fail(what, message);
  PyErr_Clear();
  Py_XDECREF(text);
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(traceback);
}

static int start_interpreter(void) {
  /* Extension modules look Python's symbols up globally, also when this library was opened locally. */
  dlopen(HALO_PYTHON_LIBRARY, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
  if (Py_IsInitialized()) return 1;
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  config.install_signal_handlers = 0;
  config.parse_argv = 0;
  const char* python = setting("HALO_ODLA_PYTHON", HALO_PYTHON);
  PyStatus status = PyConfig_SetBytesString(&config, &config.program_name, python);
  if (!PyStatus_Exception(status)) status = PyConfig_SetBytesString(&config, &config.executable, python);
  if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status)) {
    fail(python, status.err_msg ? status.err_msg : "the interpreter does not start");
    return 0;
  }
  PyEval_SaveThread();
  return 1;
}

static int load_package(void) {
  PyGILState_STATE held = PyGILState_Ensure();
  int loaded = 0;
  PyObject* path = PySys_GetObject("path");
  PyObject* folder = PyUnicode_DecodeFSDefault(setting("HALO_ODLA_PATH", HALO_PACKAGES));
  if (path && folder && (PySequence_Contains(path, folder) || PyList_Insert(path, 0, folder) == 0)) {
    PyObject* module = PyImport_ImportModule("odla.c.library");
    loaded = module != NULL;
    Py_XDECREF(module);
  }
  if (!loaded) fail_with_exception("the package cannot be imported");
  Py_XDECREF(folder);
  PyGILState_Release(held);
  return loaded;
}

static int start(void) {
  if (!start_interpreter() || !load_package()) return 0;
  if (halo_start_module() != 0) {
    fail("the functions cannot be connected", NULL);
    return 0;
  }
  return 1;
}

int halo_ready(void) {
  int now = atomic_load_explicit(&state, memory_order_acquire);
  if (now == NOT_STARTED) {
    pthread_mutex_lock(&starting);
    now = atomic_load(&state);
    if (now == NOT_STARTED) {
      now = start() ? READY : FAILED;
      atomic_store(&state, now);
      if (now == FAILED) fprintf(stderr, "%s\n", failure);
    }
    pthread_mutex_unlock(&starting);
  }
  return now == READY;
}

extern const odla_char* halo_odla_GetLastErrorText(void);
extern odla_status halo_odla_GetLastErrorStatus(void);

const odla_char* odla_GetLastErrorText(void) {
  return halo_ready() ? halo_odla_GetLastErrorText() : failure;
}

odla_status odla_GetLastErrorStatus(void) {
  return halo_ready() ? halo_odla_GetLastErrorStatus() : ODLA_DL_ERROR;
}
