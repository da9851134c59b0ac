"""TFLite's schema as data: element types, operators by number, and the fields of their options.

Source: tensorflow/compiler/mlir/lite/schema/schema.fbs (version 3). An operator stands on the line of its number. A
field is `name:type` in the order of its slots, `=` a default other than 0; the types are those of `struct`, `*` a
vector. Operators of StableHLO have options in another union and are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from halo_py.types import DType

IDENTIFIER = b"TFL3"
"""Bytes 4 to 8 of every file."""

DTYPES: dict[int, DType] = {
    0: DType.FLOAT32,
    1: DType.FLOAT16,
    2: DType.INT32,
    3: DType.UINT8,
    4: DType.INT64,
    5: DType.STRING,
    6: DType.BOOL,
    7: DType.INT16,
    8: DType.COMPLEX64,
    9: DType.INT8,
    10: DType.FLOAT64,
    11: DType.COMPLEX128,
    12: DType.UINT64,
    15: DType.UINT32,
    16: DType.UINT16,
    17: DType.INT4,
    18: DType.BFLOAT16,
    19: DType.INT2,
    20: DType.UINT4,
}
RESOURCE, VARIANT = 13, 14

CUSTOM = 32
STABLEHLO = range(162, 210)

_OPERATORS = """
ADD activation:b
AVERAGE_POOL_2D padding:b stride_w:i stride_h:i filter_width:i filter_height:i activation:b
CONCATENATION axis:i activation:b
CONV_2D padding:b stride_w:i stride_h:i activation:b dilation_w:i=1 dilation_h:i=1
DEPTHWISE_CONV_2D padding:b stride_w:i stride_h:i multiplier:i activation:b dilation_w:i=1 dilation_h:i=1
DEPTH_TO_SPACE block_size:i
DEQUANTIZE
EMBEDDING_LOOKUP
FLOOR
FULLY_CONNECTED activation:b weights_format:b keep_num_dims:?
HASHTABLE_LOOKUP
L2_NORMALIZATION activation:b
L2_POOL_2D padding:b stride_w:i stride_h:i filter_width:i filter_height:i activation:b
LOCAL_RESPONSE_NORMALIZATION radius:i bias:f alpha:f beta:f
LOGISTIC
LSH_PROJECTION type:b
LSTM activation:b cell_clip:f proj_clip:f kernel_type:b
MAX_POOL_2D padding:b stride_w:i stride_h:i filter_width:i filter_height:i activation:b
MUL activation:b
RELU
RELU_N1_TO_1
RELU6
RESHAPE new_shape:*i
RESIZE_BILINEAR new_height:i new_width:i align_corners:? half_pixel_centers:?
RNN activation:b
SOFTMAX beta:f
SPACE_TO_DEPTH block_size:i
SVDF rank:i activation:b
TANH
CONCAT_EMBEDDINGS
SKIP_GRAM
CALL subgraph:I
CUSTOM
EMBEDDING_LOOKUP_SPARSE combiner:b
PAD
UNIDIRECTIONAL_SEQUENCE_RNN time_major:? activation:b
GATHER axis:i batch_dims:i
BATCH_TO_SPACE_ND
SPACE_TO_BATCH_ND
TRANSPOSE
MEAN keep_dims:?
SUB activation:b
DIV activation:b
SQUEEZE squeeze_dims:*i
UNIDIRECTIONAL_SEQUENCE_LSTM activation:b cell_clip:f proj_clip:f time_major:? asymmetric:? diagonal_recurrent:?
STRIDED_SLICE begin_mask:i end_mask:i ellipsis_mask:i new_axis_mask:i shrink_axis_mask:i offset:?
BIDIRECTIONAL_SEQUENCE_RNN time_major:? activation:b merge_outputs:?
EXP
TOPK_V2
SPLIT num_splits:i
LOG_SOFTMAX
DELEGATE
BIDIRECTIONAL_SEQUENCE_LSTM activation:b cell_clip:f proj_clip:f merge_outputs:? time_major:?=1
CAST in_type:b out_type:b
PRELU
MAXIMUM
ARG_MAX output_type:b
MINIMUM
LESS
NEG
PADV2
GREATER
GREATER_EQUAL
LESS_EQUAL
SELECT
SLICE
SIN
TRANSPOSE_CONV padding:b stride_w:i stride_h:i activation:b
SPARSE_TO_DENSE validate_indices:?
TILE
EXPAND_DIMS
EQUAL
NOT_EQUAL
LOG
SUM keep_dims:?
SQRT
RSQRT
SHAPE out_type:b
POW
ARG_MIN output_type:b
FAKE_QUANT min:f max:f num_bits:i narrow_range:?
REDUCE_PROD keep_dims:?
REDUCE_MAX keep_dims:?
PACK values_count:i axis:i
LOGICAL_OR
ONE_HOT axis:i
LOGICAL_AND
LOGICAL_NOT
UNPACK num:i axis:i
REDUCE_MIN keep_dims:?
FLOOR_DIV
REDUCE_ANY keep_dims:?
SQUARE
ZEROS_LIKE
FILL
FLOOR_MOD
RANGE
RESIZE_NEAREST_NEIGHBOR align_corners:? half_pixel_centers:?
LEAKY_RELU alpha:f
SQUARED_DIFFERENCE
MIRROR_PAD mode:b
ABS
SPLIT_V num_splits:i
UNIQUE idx_out_type:b=2
CEIL
REVERSE_V2
ADD_N
GATHER_ND
COS
WHERE
RANK
ELU
REVERSE_SEQUENCE seq_dim:i batch_dim:i
MATRIX_DIAG
QUANTIZE
MATRIX_SET_DIAG
ROUND
HARD_SWISH
IF then_subgraph:i else_subgraph:i
WHILE cond_subgraph:i body_subgraph:i
NON_MAX_SUPPRESSION_V4
NON_MAX_SUPPRESSION_V5
SCATTER_ND
SELECT_V2
DENSIFY
SEGMENT_SUM
BATCH_MATMUL adj_x:? adj_y:?
PLACEHOLDER_FOR_GREATER_OP_CODES
CUMSUM exclusive:? reverse:?
CALL_ONCE init_subgraph:i
BROADCAST_TO
RFFT2D
CONV_3D padding:b stride_d:i stride_w:i stride_h:i activation:b dilation_d:i=1 dilation_w:i=1 dilation_h:i=1
IMAG
REAL
COMPLEX_ABS
HASHTABLE table_id:i key_dtype:b value_dtype:b
HASHTABLE_FIND
HASHTABLE_IMPORT
HASHTABLE_SIZE
REDUCE_ALL keep_dims:?
CONV_3D_TRANSPOSE padding:b stride_d:i stride_w:i stride_h:i activation:b dilation_d:i=1 dilation_w:i=1 dilation_h:i=1
VAR_HANDLE container:*b shared_name:*b
READ_VARIABLE
ASSIGN_VARIABLE
BROADCAST_ARGS
RANDOM_STANDARD_NORMAL seed:q seed2:q
BUCKETIZE boundaries:*f
RANDOM_UNIFORM seed:q seed2:q
MULTINOMIAL seed:q seed2:q
GELU approximate:?
DYNAMIC_UPDATE_SLICE
RELU_0_TO_1
UNSORTED_SEGMENT_PROD
UNSORTED_SEGMENT_MAX
UNSORTED_SEGMENT_SUM
ATAN2
UNSORTED_SEGMENT_MIN
SIGN
BITCAST
BITWISE_XOR
RIGHT_SHIFT
"""


@dataclass(frozen=True, slots=True)
class OptionField:
    """Where a field of an operator's options stands, its type (`*` for a vector) and its default."""

    slot: int
    code: str
    default: float


@dataclass(frozen=True, slots=True)
class OperatorSchema:
    """An operator's name and the fields of its options."""

    name: str
    fields: dict[str, OptionField]


@cache
def operators() -> tuple[OperatorSchema, ...]:
    """The builtin operators, by number."""
    return tuple(_operator(line) for line in _OPERATORS.split("\n")[1:-1])


def _operator(line: str) -> OperatorSchema:
    name, *texts = line.split(" ")
    fields: dict[str, OptionField] = {}
    for slot, text in enumerate(texts):
        field, _, kind = text.partition(":")
        code, _, default = kind.partition("=")
        fields[field] = OptionField(slot, code, float(default or 0))
    return OperatorSchema(name, fields)


def operator_name(number: int, custom: str) -> str:
    """What an operator is called in messages: custom ones by their own name."""
    if number == CUSTOM:
        return f"CUSTOM {custom}".strip()
    known = operators()
    if 0 <= number < len(known):
        return known[number].name
    return f"STABLEHLO operator {number}" if number in STABLEHLO else f"operator {number}"
