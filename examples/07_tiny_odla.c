/* A small ODLA library: float graphs of seven operators, run by plain loops. What it lacks, HALO runs on the CPU.
 *
 *   gcc -std=c99 -Wall -Wextra -Werror -O2 -fPIC -shared -I"$ODLA_INCLUDE" 07_tiny_odla.c -lm -o libtiny_odla.so
 *   halo run digits.onnx --device odla:libtiny_odla.so
 *   odla-conformance libtiny_odla.so
 *
 * $ODLA_INCLUDE is what `python -c 'from odla.api.headers import INCLUDE; print(INCLUDE)'` prints. */
#include <ODLA/odla.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum { ARGUMENT, CONSTANT, ADD, MUL, RELU, GEMM, CONV, RESHAPE, SOFTMAX } kind;

/* A value is a node of the graph: how it is made, and its contents while a run goes on. */
struct _odla_value {
  kind op;
  char* id;
  odla_value_shape shape;
  size_t elements;
  odla_value in[3];
  int transpose_a, transpose_b, axis;
  float alpha, beta;
  unsigned group, stride[2], dilation[2], pad[2];
  float* data;
  struct _odla_value* next; /* in the order of creation, which is an order to run in */
};

typedef struct {
  odla_value value;
  const void* in;
  void* out;
} binding;

struct _odla_computation {
  odla_value first, last, outputs[ODLA_MAX_OUTPUTS];
  unsigned count;
};

struct _odla_context {
  odla_computation computation;
  binding bound[256];
  unsigned count;
};

static odla_computation current = NULL;

/* ---- building ---------------------------------------------------------------------------------------------------- */

static int is_float(odla_value_type type) { return type.element_type == ODLA_FLOAT32 && type.shape.size >= 0; }

static odla_value make(kind op, odla_value_shape shape, odla_value_id id) {
  if (current == NULL) return NULL;
  odla_value made = calloc(1, sizeof *made);
  const char* name = id == NULL ? "" : (const char*)id;
  made->op = op;
  made->id = strcpy(malloc(strlen(name) + 1), name);
  made->shape = shape;
  made->elements = 1;
  for (int i = 0; i < shape.size; ++i) made->elements *= (size_t)shape.dims[i];
  made->data = malloc(made->elements * sizeof(float) + 1);
  if (current->last == NULL)
    current->first = made;
  else
    current->last->next = made;
  current->last = made;
  return made;
}

static odla_value make_unary(kind op, odla_value x, odla_value_shape shape, odla_value_id id) {
  odla_value made = x == NULL ? NULL : make(op, shape, id);
  if (made != NULL) made->in[0] = x;
  return made;
}

/* Shapes as NumPy broadcasts them. */
static odla_value make_binary(kind op, odla_value a, odla_value b, odla_value_id id) {
  if (a == NULL || b == NULL) return NULL;
  odla_value_shape shape = a->shape.size >= b->shape.size ? a->shape : b->shape;
  for (int i = 1; i <= shape.size; ++i) {
    odla_int64 x = i <= a->shape.size ? a->shape.dims[a->shape.size - i] : 1;
    odla_int64 y = i <= b->shape.size ? b->shape.dims[b->shape.size - i] : 1;
    if (x != y && x != 1 && y != 1) return NULL;
    shape.dims[shape.size - i] = x == 1 ? y : x;
  }
  odla_value made = make_unary(op, a, shape, id);
  if (made != NULL) made->in[1] = b;
  return made;
}

odla_status odla_CreateComputation(odla_computation* computation) {
  *computation = current = calloc(1, sizeof *current);
  return ODLA_SUCCESS;
}

odla_value odla_CreateArgument(const odla_value_type type, const odla_value_id id) {
  return is_float(type) ? make(ARGUMENT, type.shape, id) : NULL;
}

odla_value odla_CreateConstant(const odla_value_type type, const void* data, const odla_value_id id) {
  odla_value made = is_float(type) ? make(CONSTANT, type.shape, id) : NULL;
  if (made != NULL) memcpy(made->data, data, made->elements * sizeof(float));
  return made;
}

odla_value odla_Add(odla_value a, odla_value b, const odla_value_id id) { return make_binary(ADD, a, b, id); }

odla_value odla_Mul(odla_value a, odla_value b, const odla_value_id id) { return make_binary(MUL, a, b, id); }

odla_value odla_Relu(odla_value x, const odla_value_id id) {
  return x == NULL ? NULL : make_unary(RELU, x, x->shape, id);
}

odla_value odla_Reshape(odla_value x, odla_value_shape shape, const odla_value_id id) {
  odla_value made = make_unary(RESHAPE, x, shape, id);
  return made != NULL && made->elements == x->elements ? made : NULL;
}

odla_value odla_Softmax(odla_value x, odla_int32 axis, const odla_value_id id) {
  odla_value made = x == NULL ? NULL : make_unary(SOFTMAX, x, x->shape, id);
  if (made != NULL) made->axis = axis < 0 ? axis + x->shape.size : axis;
  return made;
}

odla_value odla_Gemm(odla_value a, odla_bool a_transpose, odla_value b, odla_bool b_transpose, odla_float32 alpha,
                     odla_float32 beta, odla_value c, odla_value_shape output_dims, const odla_value_id id) {
  (void)output_dims; /* a hint: it may be uninitialised */
  if (a == NULL || b == NULL || a->shape.size != 2 || b->shape.size != 2) return NULL;
  odla_value_shape shape = {2, {a->shape.dims[a_transpose ? 1 : 0], b->shape.dims[b_transpose ? 0 : 1]}};
  odla_value made = make_unary(GEMM, a, shape, id);
  if (made == NULL) return NULL;
  made->in[1] = b, made->in[2] = c, made->alpha = alpha, made->beta = beta;
  made->transpose_a = a_transpose != 0, made->transpose_b = b_transpose != 0;
  return made;
}

odla_value odla_Conv(odla_value x, odla_memory_layout layout, odla_uint32 group, odla_value w,
                     odla_memory_layout kernel_layout, const odla_uint32* strides, const odla_uint32* dilations,
                     const odla_uint32* front, const odla_uint32* back, odla_value bias, odla_value_shape output_dims,
                     const odla_value_id id) {
  (void)output_dims;
  if (x == NULL || w == NULL || x->shape.size != 4 || w->shape.size != 4) return NULL;
  if (layout != ODLA_CHANNELS_FIRST || kernel_layout != ODLA_OIS) return NULL;
  odla_value_shape shape = {4, {x->shape.dims[0], w->shape.dims[0]}};
  for (int i = 0; i < 2; ++i) {
    odla_int64 reach = (w->shape.dims[2 + i] - 1) * dilations[i] + 1;
    shape.dims[2 + i] = (x->shape.dims[2 + i] + front[i] + back[i] - reach) / strides[i] + 1;
  }
  odla_value made = make_unary(CONV, x, shape, id);
  if (made == NULL) return NULL;
  made->in[1] = w, made->in[2] = bias, made->group = group;
  memcpy(made->stride, strides, sizeof made->stride);
  memcpy(made->dilation, dilations, sizeof made->dilation);
  memcpy(made->pad, front, sizeof made->pad);
  return made;
}

odla_status odla_SetValueAsOutput(odla_value value) {
  if (value == NULL || current == NULL || current->count == ODLA_MAX_OUTPUTS) return ODLA_INVALID_PARAM;
  current->outputs[current->count++] = value;
  return ODLA_SUCCESS;
}

odla_status odla_DestroyComputation(odla_computation computation) {
  for (odla_value value = computation->first, next; value != NULL; value = next) {
    next = value->next;
    free(value->id);
    free(value->data);
    free(value);
  }
  if (current == computation) current = NULL;
  free(computation);
  return ODLA_SUCCESS;
}

odla_status odla_GetValueId(const odla_value value, odla_value_id* id) {
  *id = (odla_value_id)value->id;
  return ODLA_SUCCESS;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static size_t place(odla_value x, odla_value like, size_t index) {
  size_t found = 0, step = 1;
  for (int i = 1; i <= like->shape.size; ++i) {
    size_t at = index % (size_t)like->shape.dims[like->shape.size - i];
    index /= (size_t)like->shape.dims[like->shape.size - i];
    if (i > x->shape.size) continue;
    odla_int64 size = x->shape.dims[x->shape.size - i];
    found += (size == 1 ? 0 : at) * step;
    step *= (size_t)size;
  }
  return found;
}

static void run_gemm(odla_value y) {
  odla_value a = y->in[0], b = y->in[1], c = y->in[2];
  size_t columns = (size_t)y->shape.dims[1], inner = (size_t)a->shape.dims[y->transpose_a ? 0 : 1];
  size_t rows = (size_t)y->shape.dims[0];
  for (size_t i = 0; i < y->elements; ++i) {
    size_t row = i / columns, column = i % columns;
    float sum = 0;
    for (size_t k = 0; k < inner; ++k)
      sum += a->data[y->transpose_a ? k * rows + row : row * inner + k] *
             b->data[y->transpose_b ? column * inner + k : k * columns + column];
    y->data[i] = y->alpha * sum + (c == NULL ? 0 : y->beta * c->data[place(c, y, i)]);
  }
}

static void run_conv(odla_value y) {
  odla_value x = y->in[0], w = y->in[1];
  odla_int64 *n = y->shape.dims, *in = x->shape.dims, *k = w->shape.dims;
  for (size_t i = 0; i < y->elements; ++i) {
    odla_int64 column = (odla_int64)i % n[3], row = (odla_int64)i / n[3] % n[2];
    odla_int64 channel = (odla_int64)i / (n[3] * n[2]) % n[1], image = (odla_int64)i / (n[3] * n[2] * n[1]);
    odla_int64 first = channel / (n[1] / y->group) * k[1];
    float sum = y->in[2] == NULL ? 0 : y->in[2]->data[channel];
    for (odla_int64 c = 0; c < k[1]; ++c)
      for (odla_int64 r = 0; r < k[2]; ++r)
        for (odla_int64 s = 0; s < k[3]; ++s) {
          odla_int64 h = row * y->stride[0] + r * y->dilation[0] - y->pad[0];
          odla_int64 v = column * y->stride[1] + s * y->dilation[1] - y->pad[1];
          if (h < 0 || v < 0 || h >= in[2] || v >= in[3]) continue;
          sum += x->data[((image * in[1] + first + c) * in[2] + h) * in[3] + v] *
                 w->data[((channel * k[1] + c) * k[2] + r) * k[3] + s];
        }
    y->data[i] = sum;
  }
}

static void run_softmax(odla_value y) {
  size_t size = (size_t)y->shape.dims[y->axis], inner = 1;
  for (int i = y->axis + 1; i < y->shape.size; ++i) inner *= (size_t)y->shape.dims[i];
  for (size_t i = 0; i < y->elements; ++i) {
    if (i / inner % size != 0) continue;
    const float* x = y->in[0]->data + i;
    float most = x[0], sum = 0;
    for (size_t k = 1; k < size; ++k) most = fmaxf(most, x[k * inner]);
    for (size_t k = 0; k < size; ++k) sum += expf(x[k * inner] - most);
    for (size_t k = 0; k < size; ++k) y->data[i + k * inner] = expf(x[k * inner] - most) / sum;
  }
}

static void run_elements(odla_value y) {
  for (size_t i = 0; i < y->elements; ++i) {
    float a = y->in[0]->data[y->op == RESHAPE ? i : place(y->in[0], y, i)];
    float b = y->in[1] == NULL ? 0 : y->in[1]->data[place(y->in[1], y, i)];
    y->data[i] = y->op == ADD ? a + b : y->op == MUL ? a * b : y->op == RELU && a < 0 ? 0 : a;
  }
}

odla_status odla_CreateContext(odla_context* context) {
  if (current == NULL) return ODLA_FAILURE;
  *context = calloc(1, sizeof **context);
  (*context)->computation = current;
  return ODLA_SUCCESS;
}

static odla_status bind(odla_context context, odla_value value, const void* in, void* out) {
  unsigned i = 0;
  while (i < context->count && context->bound[i].value != value) ++i;
  if (i == sizeof context->bound / sizeof *context->bound) return ODLA_MEM_ERROR;
  context->bound[i] = (binding){value, in, out};
  if (i == context->count) ++context->count;
  return ODLA_SUCCESS;
}

odla_status odla_BindToArgument(odla_value value, const void* data, odla_context context) {
  return bind(context, value, data, NULL);
}

odla_status odla_BindToOutput(odla_value value, void* data, odla_context context) {
  return bind(context, value, NULL, data);
}

odla_status odla_ExecuteComputation(const odla_computation computation, const odla_context context,
                                    const odla_compute_mode mode, odla_device device) {
  (void)device;
  if (mode == ODLA_COMPUTE_TRAINING) return ODLA_UNSUPPORTED_OP;
  for (unsigned i = 0; i < context->count; ++i)
    if (context->bound[i].in != NULL)
      memcpy(context->bound[i].value->data, context->bound[i].in, context->bound[i].value->elements * sizeof(float));
  for (odla_value y = computation->first; y != NULL; y = y->next) {
    if (y->op == GEMM) run_gemm(y);
    else if (y->op == CONV) run_conv(y);
    else if (y->op == SOFTMAX) run_softmax(y);
    else if (y->op > CONSTANT) run_elements(y);
  }
  for (unsigned i = 0; i < context->count; ++i)
    if (context->bound[i].out != NULL)
      memcpy(context->bound[i].out, context->bound[i].value->data, context->bound[i].value->elements * sizeof(float));
  return ODLA_SUCCESS;
}

odla_status odla_DestroyContext(odla_context context) {
  free(context);
  return ODLA_SUCCESS;
}
