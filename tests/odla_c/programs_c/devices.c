/* Vendors, devices, memory, profiler, log, tasks and versions. */

#include "check.h"

static void vendors(void) {
  odla_vendor vendor = NULL;
  OK(odla_GetVendor(ODLA_VENDOR_GRAPHCORE, &vendor));
  char text[256];
  size_t size = 0;
  OK(odla_GetVendorInfo(vendor, OVI_DESCRIPTION, sizeof text, text, &size));
  CHECK(size == strlen(text) + 1 && strstr(text, "IPU") != NULL);
  OK(odla_GetVendorInfo(vendor, OVI_FEATURE_SET, 0, NULL, &size));
  CHECK(size > 1);
  FAILS(ODLA_MEM_ERROR, odla_GetVendorInfo(vendor, OVI_FEATURE_SET, 1, text, &size));
  OK(odla_GetVendorInfo(vendor, OVI_FEATURE_SET, size, text, NULL));
  odla_device device = NULL;
  OK(odla_AllocateDevice(vendor, ODLA_DEVICE_DEFAULT, 0, &device));
  OK(odla_DestroyDevice(device));
  FAILS(ODLA_UNSUPPORTED_DEVICE_TYPE, odla_AllocateDevice(vendor, ODLA_DEVICE_INTEL_X86, 0, &device));
  FAILS(ODLA_UNSUPPORTED_DEVICE_TYPE, odla_GetVendor(ODLA_VENDOR_NVIDIA, &vendor));
  FAILS(ODLA_INVALID_PARAM, odla_GetVendor((odla_vendor_name)50, &vendor));
}

static void check_device_runs(odla_device device) {
  odla_computation computation = make_affine(1);
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[3] = {1, 2, 3}, out[3] = {0}, expected[3] = {3, 6, 9};
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, device));
  CHECK(close_to(out, expected, 3));
  odla_run_profile profile;
  profile.struct_size = sizeof profile;
  OK(odla_GetRunProfile(context, &profile));
  CHECK(profile.struct_size == sizeof profile && profile.runs == 1 && profile.host_seconds > 0);
  profile.device_cycles = 77;
  profile.struct_size = offsetof(odla_run_profile, device_cycles);
  OK(odla_GetRunProfile(context, &profile)); /* an older caller's struct ends earlier */
  CHECK(profile.device_cycles == 77);
  size_t needed = 0;
  OK(odla_GetRunProfileText(context, 0, NULL, &needed));
  char* text = (char*)malloc(needed);
  OK(odla_GetRunProfileText(context, needed, text, NULL));
  CHECK(strlen(text) + 1 == needed && text[0] == '{');
  free(text);
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void devices(void) {
  odla_device cpu = NULL, ipu = NULL;
  OK(odla_AllocateDevice(NULL, ODLA_DEVICE_INTEL_X86, 0, &cpu));
  OK(odla_AllocateDevice(NULL, ODLA_DEVICE_GRAPHCORE_IPU, 3, &ipu));
  OK(odla_InitDevice(cpu, NULL));
  odla_device_config config = NULL;
  OK(odla_CreateDeviceConfig(&config));
  OK(odla_SetDeviceConfigItem(config, (odla_device_config_item) "device", "ipu-tiny"));
  OK(odla_SetDeviceConfigItem(config, (odla_device_config_item) "precision", "fp32"));
  FAILS(ODLA_INVALID_PARAM, odla_SetDeviceConfigItem(config, NULL, "x"));
  OK(odla_InitDevice(ipu, config));
  OK(odla_DestroyDeviceConfig(config));
  FAILS(ODLA_INVALID_PARAM, odla_DestroyDeviceConfig(config));
  check_device_runs(cpu);
  check_device_runs(ipu);
  OK(odla_SetCurrentDevice(ipu));
  check_device_runs(NULL);
  OK(odla_SetCurrentDevice(NULL));
  check_device_runs(NULL);

  odla_scalar_value info;
  static const odla_device_info known[] = {
      ODLA_DEVICE_INFO_DEV_COUNT, ODLA_DEVICE_INFO_TOTAL_MEMORY, ODLA_DEVICE_INFO_USED_MEMORY};
  for (int number = 0; number < 3; ++number) {
    OK(odla_GetDeviceInfo(cpu, known[number], &info));
    CHECK(info.data_type == ODLA_UINT64 && info.val_uint64 > 0);
  }
  /* A pod of sixteen: its chips and their own memory, whatever this computer has. */
  odla_device pod = NULL;
  OK(odla_AllocateDevice(NULL, ODLA_DEVICE_GRAPHCORE_IPU, 0, &pod));
  OK(odla_CreateDeviceConfig(&config));
  OK(odla_SetDeviceConfigItem(config, (odla_device_config_item) "device", "ipu-pod16"));
  OK(odla_InitDevice(pod, config));
  OK(odla_GetDeviceInfo(pod, ODLA_DEVICE_INFO_DEV_COUNT, &info));
  CHECK(info.val_uint64 == 16);
  OK(odla_GetDeviceInfo(pod, ODLA_DEVICE_INFO_TOTAL_MEMORY, &info));
  CHECK(info.val_uint64 == 16ull * 1472 * 624 * 1024);
  OK(odla_SetDeviceConfigItem(config, (odla_device_config_item) "device", "no-such-device"));
  FAILS(ODLA_UNSUPPORTED_DEVICE_TYPE, odla_InitDevice(pod, config));
  OK(odla_DestroyDeviceConfig(config));
  OK(odla_DestroyDevice(pod));
  OK(odla_GetDeviceInfo(ipu, ODLA_DEVICE_INFO_DEV_INDEX, &info));
  CHECK(info.val_uint64 == 3);
  OK(odla_GetDeviceInfo(ipu, ODLA_DEVICE_INFO_DEV_TYPE, &info));
  CHECK(info.val_uint64 == ODLA_DEVICE_GRAPHCORE_IPU);
  OK(odla_GetDeviceInfo(ipu, ODLA_DEVICE_INFO_ODLA_LIB_VERSION, &info));
  CHECK(info.data_type == ODLA_STRING && strcmp(info.val_str, "0.5.0") == 0);
  OK(odla_GetDeviceInfo(ipu, ODLA_DEVICE_INFO_DEV_UUID, &info));
  CHECK(strlen(info.val_str) == 36);
  OK(odla_GetDeviceInfo(cpu, ODLA_DEVICE_INFO_MEMORY_UTIL, &info));
  CHECK(info.data_type == ODLA_FLOAT32 && info.val_fp32 > 0 && info.val_fp32 <= 1);
  OK(odla_GetDeviceInfo(cpu, ODLA_DEVICE_INFO_PROCESSOR_UTIL, &info));
  CHECK(info.val_fp32 >= 0 && info.val_fp32 <= 1);
  FAILS(ODLA_UNSUPPORTED_DATATYPE, odla_GetDeviceInfo(cpu, ODLA_DEVICE_INFO_POWER_USAGE, &info));
  FAILS(ODLA_INVALID_PARAM, odla_GetDeviceInfo(cpu, (odla_device_info)99, &info));
  FAILS(ODLA_INVALID_PARAM, odla_GetDeviceInfo(cpu, ODLA_DEVICE_INFO_DEV_TYPE, NULL));

  odla_bool supported = 0;
  char reason[128];
  OK(odla_QueryOpSupport(cpu, "odla_Gemm", &supported, sizeof reason, reason));
  CHECK(supported && reason[0] == '\0');
  OK(odla_QueryOpSupport(cpu, "odla_Fantasy", &supported, sizeof reason, reason));
  CHECK(!supported && strstr(reason, "odla_Fantasy") != NULL);
  OK(odla_QueryOpSupport(ipu, "odla_NMS", &supported, sizeof reason, reason));
  CHECK(supported && strstr(reason, "on the host: ") == reason && strstr(reason, "boxes") != NULL);
  OK(odla_QueryOpSupport(ipu, "odla_BatchMatMul", &supported, sizeof reason, reason));
  CHECK(supported && reason[0] == '\0');
  OK(odla_QueryOpSupport(NULL, "odla_NMS", &supported, 0, NULL));
  CHECK(supported);
  FAILS(ODLA_MEM_ERROR, odla_QueryOpSupport(ipu, "odla_NMS", &supported, 4, reason));

  OK(odla_DestroyDevice(ipu));
  OK(odla_DestroyDevice(cpu));
  FAILS(ODLA_INVALID_PARAM, odla_DestroyDevice(cpu));
  FAILS(ODLA_INVALID_PARAM, odla_SetCurrentDevice(cpu));
  FAILS(ODLA_UNSUPPORTED_DEVICE_TYPE, odla_AllocateDevice(NULL, ODLA_DEVICE_HABANA_GOYA, 0, &cpu));
  FAILS(ODLA_UNSUPPORTED_DEVICE_TYPE, odla_AllocateDevice(NULL, ODLA_DEVICE_INTEL_X86, 1, &cpu));
  FAILS(ODLA_INVALID_PARAM, odla_AllocateDevice(NULL, ODLA_DEVICE_INTEL_X86, -1, &cpu));
}

static void memory(void) {
  void *device = NULL, *host = NULL;
  char text[8] = "abcdefg", back[8] = "";
  OK(odla_AllocateDeviceMemory(&device, 8));
  OK(odla_AllocateHostMemory(&host, 8));
  CHECK(device != NULL && host != NULL && (size_t)device % 64 == 0);
  OK(odla_CopyMemory(device, text, 8, ODLA_MEMCPY_H2D));
  OK(odla_CopyMemory(host, device, 8, ODLA_MEMCPY_D2H));
  OK(odla_CopyMemory(back, host, 8, ODLA_MEMCPY_H2H));
  CHECK(strcmp(back, text) == 0);
  FAILS(ODLA_INVALID_PARAM, odla_CopyMemory(device, text, 9, ODLA_MEMCPY_H2D));
  FAILS(ODLA_INVALID_PARAM, odla_CopyMemory(NULL, text, 1, ODLA_MEMCPY_H2D));
  FAILS(ODLA_INVALID_PARAM, odla_CopyMemory(device, text, 1, (odla_memcpy_type)9));
  FAILS(ODLA_INVALID_PARAM, odla_FreeHostMemory(device));
  FAILS(ODLA_INVALID_PARAM, odla_FreeDeviceMemory(text));
  OK(odla_FreeDeviceMemory(device));
  OK(odla_FreeHostMemory(host));
  FAILS(ODLA_INVALID_PARAM, odla_FreeHostMemory(host));
  FAILS(ODLA_MEM_ERROR, odla_AllocateDeviceMemory(&device, (size_t)1 << 62));
  CHECK(device == NULL);
}

static void profiler(const char* folder) {
  odla_device device = NULL;
  odla_device_trace trace = NULL, first = NULL;
  OK(odla_AllocateDevice(NULL, ODLA_DEVICE_DEFAULT, 0, &device));
  OK(odla_StartDeviceProfiler(device));
  check_device_runs(device);
  check_device_runs(device);
  OK(odla_StopDeviceProfiler(device));
  check_device_runs(device);
  OK(odla_CreateDeviceTrace(&trace));
  char path[1024];
  snprintf(path, sizeof path, "%s/trace.json", folder);
  OK(odla_SetDeviceTraceItem(trace, (odla_device_trace_item) "path", path));
  FAILS(ODLA_INVALID_PARAM, odla_SetDeviceTraceItem(trace, (odla_device_trace_item) "colour", "blue"));
  first = trace;
  OK(odla_RetrieveDeviceTrace(device, &trace));
  CHECK(trace == first);
  size_t needed = 0;
  OK(odla_GetDeviceTraceText(trace, 0, NULL, &needed));
  char* text = (char*)malloc(needed);
  OK(odla_GetDeviceTraceText(trace, needed, text, NULL));
  int events = 0;
  for (const char* place = text; (place = strstr(place, "\"ph\": \"X\"")) != NULL; ++place) ++events;
  CHECK(events == 2);
  FILE* file = fopen(path, "rb");
  CHECK(file != NULL);
  if (file != NULL) {
    char* read = (char*)calloc(needed, 1);
    CHECK(fread(read, 1, needed - 1, file) == needed - 1 && strcmp(read, text) == 0);
    free(read);
    fclose(file);
  }
  free(text);
  OK(odla_ReleaseDeviceTrace(trace));
  FAILS(ODLA_INVALID_PARAM, odla_ReleaseDeviceTrace(trace));
  OK(odla_AsyncStartDeviceProfiler(device));
  check_device_runs(device);
  OK(odla_AsyncStopDeviceProfiler(device));
  trace = NULL;
  OK(odla_RetrieveDeviceTrace(device, &trace));
  CHECK(trace != NULL);
  OK(odla_GetDeviceTraceText(trace, 0, NULL, &needed));
  CHECK(needed > 80);
  OK(odla_ReleaseDeviceTrace(trace));
  OK(odla_DestroyDevice(device));
}

static int messages;
static odla_log_level last_level;
static char last_message[256];

static void logger(const char* file, int line, const char* function, odla_log_level level, const char* message) {
  ++messages;
  last_level = level;
  snprintf(last_message, sizeof last_message, "%s", message);
  CHECK(file[0] != '\0' && line > 0 && function[0] != '\0');
}

static void logging(void) {
  CHECK(odla_GetLogger() != NULL);
  OK(odla_SetLogger(logger));
  CHECK(odla_GetLogger() == logger);
  OK(odla_SetLogLevel(ODLA_LOG_LEVEL_ERROR));
  CHECK(odla_Neg(NULL, NULL) == NULL);
  CHECK(messages == 1 && last_level == ODLA_LOG_LEVEL_ERROR && strstr(last_message, "odla_Neg") != NULL);
  OK(odla_SetLogLevel(ODLA_LOG_LEVEL_OFF));
  CHECK(odla_Neg(NULL, NULL) == NULL && messages == 1);
  OK(odla_SetLogLevel(ODLA_LOG_LEVEL_INFO));
  check_device_runs(NULL);
  CHECK(messages > 1 && last_level == ODLA_LOG_LEVEL_INFO);
  FAILS(ODLA_INVALID_PARAM, odla_SetLogLevel((odla_log_level)20));
  OK(odla_SetLogLevel(ODLA_LOG_LEVEL_OFF));
  OK(odla_SetLogger(NULL));
  CHECK(odla_GetLogger() != logger);
}

static int queued;
static odla_status (*queued_runner)(odla_device, odla_task);
static odla_task queued_task;

/** Runs y = -x eagerly on the inputs it is given. */
static void negate(odla_device device, odla_values inputs, odla_values outputs) {
  (void)device;
  OK(odla_SetActiveComputation(NULL));
  odla_value made = odla_Neg(inputs.values[0], NULL);
  void* data = NULL;
  OK(odla_GetRawDataPtr(made, &data));
  OK(odla_SetValueData(outputs.values[0], data));
  OK(odla_ReleaseValue(made));
}

static odla_status queue(odla_status (*runner)(odla_device, odla_task), odla_device device, odla_task task) {
  (void)device;
  ++queued;
  queued_runner = runner;
  queued_task = task;
  return ODLA_SUCCESS;
}

static void tasks(void) {
  OK(odla_SetActiveComputation(NULL));
  odla_device device = NULL;
  OK(odla_AllocateDevice(NULL, ODLA_DEVICE_DEFAULT, 0, &device));
  odla_value x = odla_CreateValue(floats1(2), NULL), y = odla_CreateValue(floats1(2), NULL);
  float in[2] = {1, -2}, zero[2] = {0, 0}, out[2] = {0};
  OK(odla_SetValueData(x, in));
  odla_task task;
  memset(&task, 0, sizeof task);
  FAILS(ODLA_INVALID_PARAM, odla_RunTask(device, task));
  task.func = negate;
  task.inputs = values1(x);
  task.outputs = values1(y);
  OK(odla_RunTask(device, task));
  OK(odla_GetValueData(y, out, NULL));
  CHECK(out[0] == -1 && out[1] == 2);
  OK(odla_SetValueData(y, zero));
  OK(odla_RunTaskAsync(device, task));
  OK(odla_DestroyDevice(device)); /* waits for the task */
  OK(odla_GetValueData(y, out, NULL));
  CHECK(out[0] == -1 && out[1] == 2);
  OK(odla_SetAsyncExecutor(queue));
  OK(odla_SetValueData(y, zero));
  OK(odla_RunTaskAsync(NULL, task));
  OK(odla_GetValueData(y, out, NULL));
  CHECK(queued == 1 && out[0] == 0);
  OK(queued_runner(NULL, queued_task));
  OK(odla_GetValueData(y, out, NULL));
  CHECK(out[0] == -1);
  OK(odla_SetAsyncExecutor(NULL));
}

static void checks(const char* folder) {
  CHECK(strncmp(odla_GetVersionString(), "0.5.0", 5) == 0);
  vendors();
  devices();
  memory();
  profiler(folder);
  logging();
  tasks();
}
