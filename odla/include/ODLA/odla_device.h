/* ODLA/odla_device.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_DEVICE_H_
#define HALO_ODLA_ODLA_DEVICE_H_

/**
 * @file
 *
 * Devices.
 *
 * A thread has a current device; without one, calls use the device that the environment variable
 * ODLA_DEVICE names, and `cpu` if it is not set. Names are those of `halo devices`, e.g. `ipu-1` or
 * `ipu-pod16`.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Vendors. */
typedef enum {
  ODLA_VENDOR_DEFAULT = 0, /**< vendor default */
  ODLA_VENDOR_ALIBABA = 1, /**< vendor alibaba */
  ODLA_VENDOR_ARM = 2, /**< vendor arm */
  ODLA_VENDOR_CAMBRICON = 3, /**< vendor cambricon */
  ODLA_VENDOR_GRAPHCORE = 4, /**< vendor graphcore */
  ODLA_VENDOR_HABANA = 5, /**< vendor habana */
  ODLA_VENDOR_INTEL = 6, /**< vendor intel */
  ODLA_VENDOR_NVIDIA = 7, /**< vendor nvidia */
  ODLA_VENDOR_QUALCOMM = 8, /**< vendor qualcomm */
} odla_vendor_name;

/** Vendor query keys. */
typedef enum {
  OVI_DESCRIPTION = 0, /**< description */
  OVI_FEATURE_SET = 1, /**< feature set */
} odla_vendor_info;

/** Device kinds. */
typedef enum {
  ODLA_DEVICE_DEFAULT = 0, /**< device kind: default */
  ODLA_DEVICE_ALIBABA_HANGUANG = 1, /**< device kind: alibaba hanguang */
  ODLA_DEVICE_ARM_CORTEX_M = 2, /**< device kind: arm cortex m */
  ODLA_DEVICE_CAMBRICON_MLU220 = 3, /**< device kind: cambricon mlu220 */
  ODLA_DEVICE_CAMBRICON_MLU270 = 4, /**< device kind: cambricon mlu270 */
  ODLA_DEVICE_GRAPHCORE_IPU = 5, /**< device kind: graphcore ipu */
  ODLA_DEVICE_HABANA_GAUDI = 6, /**< device kind: habana gaudi */
  ODLA_DEVICE_HABANA_GOYA = 7, /**< device kind: habana goya */
  ODLA_DEVICE_INTEL_X86 = 8, /**< device kind: intel x86 */
  ODLA_DEVICE_INTEL_DNNL = 9, /**< device kind: intel dnnl */
  ODLA_DEVICE_NVIDIA_GPU = 10, /**< device kind: nvidia gpu */
  ODLA_DEVICE_NVIDIA_TENSORRT = 11, /**< device kind: nvidia tensorrt */
  ODLA_DEVICE_QUALCOMM_AIC100 = 12, /**< device kind: qualcomm aic100 */
} odla_device_name;

/** Device query keys. */
typedef enum {
  ODLA_DEVICE_INFO_ODLA_LIB_VERSION = 0, /**< device property: odla lib version */
  ODLA_DEVICE_INFO_DEV_COUNT = 1, /**< device property: dev count */
  ODLA_DEVICE_INFO_DEV_INDEX = 2, /**< device property: dev index */
  ODLA_DEVICE_INFO_DEV_TYPE = 3, /**< device property: dev type */
  ODLA_DEVICE_INFO_DEV_UUID = 4, /**< device property: dev uuid */
  ODLA_DEVICE_INFO_PROCESSOR_UTIL = 5, /**< device property: processor util */
  ODLA_DEVICE_INFO_MEMORY_UTIL = 6, /**< device property: memory util */
  ODLA_DEVICE_INFO_TOTAL_MEMORY = 7, /**< device property: total memory */
  ODLA_DEVICE_INFO_USED_MEMORY = 8, /**< device property: used memory */
  ODLA_DEVICE_INFO_POWER_USAGE = 9, /**< device property: power usage */
  ODLA_DEVICE_INFO_POWER_LIMIT = 10, /**< device property: power limit */
  ODLA_DEVICE_INFO_DRIVER_VERSION = 11, /**< device property: driver version */
  ODLA_DEVICE_INFO_SDK_VERSION = 12, /**< device property: sdk version */
} odla_device_info;

/** Opaque vendor. */
typedef struct _odla_vendor* odla_vendor;

/** Opaque device. */
typedef struct _odla_device* odla_device;

/** Opaque device config. */
typedef struct _odla_device_config* odla_device_config;

/** Opaque config key. */
typedef struct _odla_device_config_item* odla_device_config_item;

/** Handle for a vendor enum. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetVendor(
    const odla_vendor_name vendor_name, odla_vendor* vendor);

/**
 * Query vendor description/feature set into caller buffer.
 *
 * The text ends with a zero byte, which counts. With info_value NULL only the size is answered.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetVendorInfo(
    const odla_vendor vendor, const odla_vendor_info info_name, const odla_size_t
    allocated_info_value_size, odla_void* info_value, odla_size_t* retrieved_info_value_size);

/**
 * Create handle for the n-th device of a kind (vendor may be NULL).
 *
 * ODLA_DEVICE_INTEL_X86 is this computer, ODLA_DEVICE_GRAPHCORE_IPU a simulated IPU (any number of
 * them), ODLA_DEVICE_DEFAULT what the vendor has, else what the environment variable ODLA_DEVICE
 * names, else this computer.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_AllocateDevice(
    odla_vendor vendor, odla_device_name device_name, odla_int32 device_idx, odla_device* device);

/**
 * Read one typed device property.
 *
 * Texts have the type ODLA_STRING and live as long as the program, counts ODLA_UINT64, shares of
 * use (0 to 1) ODLA_FLOAT32. Properties that cannot be measured are ODLA_UNSUPPORTED_DATATYPE.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetDeviceInfo(
    odla_device device, odla_device_info info_type, odla_scalar_value* info_value);

/** Initialise allocated device from a config. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_InitDevice(
    odla_device device, const odla_device_config config);

/** Select device used by later calls (NULL clears). */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetCurrentDevice(odla_device device);

/** Release device (TRT backend also frees its computations). */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_DestroyDevice(odla_device device);

/** New empty device config. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_CreateDeviceConfig(
    odla_device_config* device_config);

/**
 * Set config property, value is variadic.
 *
 * The item is a C string that names a setting, and one more argument follows: its value, a C string
 * (or a small number cast to a pointer). The setting `device` names a device of HALO, e.g.
 * ipu-pod16; all others are compile options, e.g. precision or mode.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetDeviceConfigItem(
    odla_device_config device_config, odla_device_config_item device_config_item, ...);

/** Free device config. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_DestroyDeviceConfig(
    odla_device_config device_config);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_ODLA_DEVICE_H_ */
