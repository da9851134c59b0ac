/* ODLA/odla_compute.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_ODLA_COMPUTE_H_
#define HALO_ODLA_ODLA_COMPUTE_H_

/**
 * @file
 *
 * Computations, executables and contexts.
 *
 * A thread has a current computation: the last one it created or activated, else the last one that
 * any thread created. It is what operators extend and what a new context is bound to. A context
 * holds bindings, which persist from run to run; input memory is read, and output memory written,
 * while a run goes on. A computation may be destroyed before its contexts: runs that are under way
 * are finished first, and the contexts can still be destroyed, or used with another computation.
 *
 * Items are set by a pointer to the datum (a bool of one byte, an int of four), cast to
 * odla_item_value; strings and function pointers are passed themselves.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>
#include <ODLA/odla_device.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Default/inference/training. */
typedef enum {
  ODLA_COMPUTE_DEFAULT = 0, /**< compute default */
  ODLA_COMPUTE_INFERENCE = 1, /**< compute inference */
  ODLA_COMPUTE_TRAINING = 2, /**< compute training */
} odla_compute_mode;

/** Option keys for computation/context/shape info. */
typedef enum {
  ODLA_DYNAMIC_BATCH = 0, /**< bool: leading dim varies */
  ODLA_MIN_BATCH_SIZE = 1, /**< int */
  ODLA_MAX_BATCH_SIZE = 2, /**< int */
  ODLA_OPT_BATCH_SIZE = 3, /**< int */
  ODLA_RUN_BATCH_SIZE = 4, /**< int, context item */
  ODLA_DYNAMIC_SHAPE = 5, /**< bool */
  ODLA_MIN_SHAPE = 6, /**< shape profile */
  ODLA_MAX_SHAPE = 7, /**< shape profile */
  ODLA_OPT_SHAPE = 8, /**< shape profile */
  ODLA_DYNAMIC_VALUE = 9, /**< bool: value-dependent shape */
  ODLA_MIN_VALUE = 10, /**< int32 profile */
  ODLA_MAX_VALUE = 11, /**< int32 profile */
  ODLA_OPT_VALUE = 12, /**< int32 profile */
  ODLA_BF16_MODE = 13, /**< odla_bf16_mode */
  ODLA_FP16_MODE = 14, /**< bool */
  ODLA_USE_SIM_MODE = 15, /**< bool: simulator (IPU model) */
  ODLA_PROCESSOR_NUM = 16, /**< int: number of IPUs */
  ODLA_BATCHES_PER_STEP = 17, /**< int: IPU batches per step */
  ODLA_USE_DATA_TYPE = 18, /**< unused by any backend read */
  ODLA_LOAD_ENGINE_MODE = 19, /**< bool (TensorRT) */
  ODLA_USE_DLA_CORE = 20, /**< TensorRT DLA core (handled by no backend here) */
  ODLA_QUANT_TABLE = 21, /**< pointer to quant info array (handled by no backend here) */
  ODLA_QUANT_TABLE_SIZE = 22, /**< length of quant table */
  ODLA_AGGREGATE_OPS = 23, /**< bool, context: CUDA graph */
  ODLA_ENABLE_ENGINE_CACHE = 24, /**< bool */
  ODLA_CACHE_DIR = 25, /**< char* itself, not pointer to it */
  ODLA_ASYNC_CALLBACK_FUNC = 26, /**< function pointer int(*)(void*,odla_status), context */
  ODLA_ASYNC_CALLBACK_ARG = 27, /**< user pointer, context */
} odla_item_type;

/** Bfloat16 policy. */
typedef enum {
  BF16_DISABLE = 0, /**< bf16 disable */
  BF16_ACCURACY_MODE = 1, /**< bf16 accuracy mode */
  BF16_PERFORMACE_MODE = 2, /**< bf16 performace mode */
  BF16_AUTO_MODE = 3, /**< bf16 auto mode */
} odla_bf16_mode;

/** Where a blob lives. */
typedef enum {
  ODLA_LOCATION_PATH = 0, /**< location path */
  ODLA_LOCATION_MEMORY = 1, /**< location memory */
  ODLA_LOCATION_URI = 2, /**< location uri */
} odla_resource_location_type;

/** Kind + pointer + size; BY VALUE. */
typedef struct {
  odla_resource_location_type location_type;
  const void* location;
  odla_size_t size;
} odla_resource_location;

/** Opaque graph. */
typedef struct _odla_computation* odla_computation;

/** Opaque compiled program. */
typedef struct _odla_executable* odla_executable;

/** Opaque execution context. */
typedef struct _odla_context* odla_context;

/** Opaque pointer to option datum. */
typedef struct _odla_item_value* odla_item_value;

/** Opaque weights bundle. */
typedef struct _odla_constants_array* odla_constants_array;

/**
 * New graph; becomes the implicit graph that op calls append to.
 *
 * It becomes the current computation of this thread. The pointer may be NULL.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_CreateComputation(
    odla_computation* computation);

/** Compile a graph for a device into an executable. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_CompileComputation(
    const odla_computation computation, const odla_device device, odla_executable* executable);

/**
 * Load a graph from path/memory/URI.
 *
 * What odla_StoreComputation wrote, or a model of any format HALO reads (ONNX and others); a
 * model's inputs and outputs become arguments and outputs with their names as ids. A URI is file:
 * or data:. The computation becomes current.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_LoadComputation(
    odla_resource_location location, odla_computation* computation);

/**
 * Save a graph to a location.
 *
 * Memory must have room for all of it (odla_GetStoredSize says how much), else ODLA_MEM_ERROR. A
 * URI must be file:.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_StoreComputation(
    odla_resource_location location, odla_computation computation);

/**
 * Build backward graph.
 *
 * For each variable of floats an output is added, in the order of the variables: the gradient of
 * the sum of all outputs of floats with respect to it. Its id is the variable's with _grad
 * appended. Operators without a known gradient are ODLA_UNSUPPORTED_OP.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_DifferentiateComputation(
    odla_computation computation);

/**
 * Run graph synchronously with the context's bindings.
 *
 * What is not compiled yet for the device and the sizes of this run is compiled first. Outputs that
 * nothing is bound to are kept for odla_GetValueData.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_ExecuteComputation(
    const odla_computation computation, const odla_context context, const odla_compute_mode mode,
    odla_device device);

/**
 * Start a run, completion via context callback.
 *
 * The bindings are those of this moment. The context's callback (ODLA_ASYNC_CALLBACK_FUNC) is
 * called once with ODLA_ASYNC_CALLBACK_ARG and the status, in another thread. A run that cannot be
 * made ready answers its status at once and calls nobody. Destroying the computation or the context
 * waits for the run.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_AsyncExecuteComputation(
    const odla_computation computation, const odla_context context, const odla_compute_mode mode,
    odla_device device);

/** Count of graph arguments. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetNumOfArgsFromComputation(
    const odla_computation computation, odla_uint32* num_args);

/** Argument by creation order. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetArgFromComputationByIdx(
    const odla_computation computation, const odla_uint32 arg_idx, odla_value* arg_value);

/** Count of graph outputs. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetNumOfOutputsFromComputation(
    const odla_computation computation, odla_uint32* num_outputs);

/** Output by marking order. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetOutputFromComputationByIdx(
    const odla_computation computation, const odla_uint32 output_idx, odla_value* output_value);

/** Free a graph. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_DestroyComputation(
    odla_computation computation);

/**
 * Set graph option; value is pointer to the datum cast to odla_item_value.
 *
 * The dynamic batch (ODLA_DYNAMIC_BATCH) must be set before the first argument is created.
 * ODLA_USE_SIM_MODE and ODLA_PROCESSOR_NUM choose simulated IPUs where no device is chosen
 * otherwise. With ODLA_BATCHES_PER_STEP bound memory holds so many batches one after another. With
 * ODLA_ENABLE_ENGINE_CACHE executables are kept in the folder ODLA_CACHE_DIR, with item 1001 in one
 * file. ODLA_FP16_MODE lets devices with 16-bit arithmetic use it. Other items are kept and have no
 * effect; unknown ones are ODLA_UNSUPPORTED_DATATYPE.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetComputationItem(
    odla_computation computation, odla_item_type type, odla_item_value value);

/** Min/max/opt shape of an argument (dynamic shape profile). */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetValueShapeInfo(
    odla_value value, odla_item_type type, odla_value_shape value_shape);

/** Min/max/opt integer value for a shape-carrying argument. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetInputValueInfo(
    odla_value value, odla_item_type type, odla_item_value value_input);

/**
 * Actual shape of an argument for this context.
 *
 * For arguments; the shapes of other values follow. What is said of an output changes nothing.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetRuntimeShape(
    odla_context context, odla_value value, odla_value_shape value_shape);

/** Actual shape of a value in this context. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetRuntimeShape(
    odla_context context, odla_value value, odla_value_shape* value_shape_ptr);

/**
 * New weights bundle.
 *
 * It holds the constants of the current computation that have ids; none without a computation.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_CreateConstantsArray(
    odla_constants_array* constants_array);

/** Load weights bundle from file. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_LoadConstantsArray(
    const odla_char* file_name, odla_constants_array* constants_array);

/** Save weights bundle to file. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_StoreConstantsArray(
    const odla_char* file_name, const odla_constants_array constants_array);

/** Free weights bundle. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_DestroyConstantsArray(
    odla_constants_array constants_array);

/**
 * Load compiled executable from path/memory/URI.
 *
 * The executable runs on the device it was compiled for; naming another device is
 * ODLA_INVALID_PARAM. A model of any format that HALO reads, or a stored computation, is compiled
 * for the device; open dimensions get their sizes from odla_SetRuntimeValueType.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_LoadExecutable(
    odla_resource_location location, odla_device device, odla_executable* executable);

/**
 * Save compiled executable.
 *
 * Memory must have room for all of it (odla_GetStoredSize says how much), else ODLA_MEM_ERROR. A
 * URI must be file:.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_StoreExecutable(
    odla_resource_location value_ids, odla_executable executable);

/** Run an executable with a context. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_LaunchExecutable(
    odla_executable executable, odla_context context);

/**
 * Async run of an executable (constants optional).
 *
 * Constants of the array take the place of the executable's constants with the same ids; NULL
 * leaves them.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_AsyncLaunchExecutable(
    const odla_executable executable, const odla_constants_array constants_array, const odla_context
    context, const odla_compute_mode mode, odla_device device);

/** Count of executable arguments. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetNumOfArgsFromExecutable(
    const odla_executable executable, odla_uint32* num_args);

/** Executable argument by index. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetArgFromExecutableByIdx(
    const odla_executable executable, const odla_uint32 arg_idx, odla_value* arg_value);

/** Count of executable outputs. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetNumOfOutputsFromExecutable(
    const odla_executable executable, odla_uint32* num_outputs);

/** Executable output by index. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetOutputFromExecutableByIdx(
    const odla_executable executable, const odla_uint32 output_idx, odla_value* output_value);

/** Free an executable. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_DestroyExecutable(odla_executable executable);

/**
 * New execution context bound to the current computation.
 *
 * It is bound to the current computation of this thread, else to the one created last; bindings by
 * id are looked up there.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_CreateContext(odla_context* context);

/**
 * Set per-context option (run batch, callback...).
 *
 * ODLA_RUN_BATCH_SIZE (int), ODLA_AGGREGATE_OPS (bool), and the callback: its function, int
 * (*)(void*, odla_status), and argument, both passed themselves.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetContextItem(
    odla_context context, odla_item_type type, odla_item_value value);

/** Free a context. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_DestroyContext(odla_context context);

/**
 * Attach host input buffer to argument handle.
 *
 * The memory is read while runs go on and must live as long. Binding again replaces.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_BindToArgument(
    odla_value value, const odla_void* data_ptr, odla_context context);

/** Attach host input buffer by argument id. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_BindToArgumentById(
    const odla_value_id value_id, const odla_void* data_ptr, odla_context context);

/**
 * Attach another odla_value as input (sub-graph chaining).
 *
 * The value must be eager; what it contains when a run begins counts.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_BindValueToArgumentById(
    const odla_value_id value_id, odla_value data, odla_context context);

/**
 * Attach host result buffer to output handle.
 *
 * The memory is written while runs go on and must have room for the output, also where its size
 * depends on data.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_BindToOutput(
    odla_value value, odla_void* data_ptr, odla_context context);

/** Attach host result buffer by output id. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_BindToOutputById(
    const odla_value_id value_id, odla_void* data_ptr, odla_context context);

/**
 * Attach an odla_value as result holder.
 *
 * The value must be eager; it takes the output's contents after each run.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_BindValueToOutputById(
    const odla_value_id value_id, odla_value data, odla_context context);

/**
 * Override element type+shape of a value for this context.
 *
 * For arguments only; the element type must be the declared one.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_SetRuntimeValueType(
    odla_context context, odla_value value, odla_value_type value_type);

/** Runtime element type+shape. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetRuntimeValueType(
    odla_context context, odla_value value, odla_value_type* value_type_ptr);

/** Number of outputs known at run time. */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetRuntimeNumOfOutputs(
    odla_context context, odla_uint32* num_output_ptr);

/**
 * Copy a value's data into caller buffer (context may be NULL).
 *
 * What the value holds itself, or what the context's last run gave; other values of a computation
 * are computed with the context's bindings. It waits for asynchronous runs of the context.
 */
extern ODLA_API_EXPORT odla_status ODLA_API_CALL odla_GetValueData(
    const odla_value value, odla_void* data_ptr, odla_context context);

#if defined(__LP64__)
ODLA_CHECK_LAYOUT(odla_resource_location, sizeof(odla_resource_location) == 24);
ODLA_CHECK_LAYOUT(odla_resource_location_field_location_type, offsetof(odla_resource_location, location_type) == 0);
ODLA_CHECK_LAYOUT(odla_resource_location_field_location, offsetof(odla_resource_location, location) == 8);
ODLA_CHECK_LAYOUT(odla_resource_location_field_size, offsetof(odla_resource_location, size) == 16);
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_ODLA_COMPUTE_H_ */
