"""A typed view of the messages that `descriptors` makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, cast

from halo_frontends.tensorflow.descriptors import message_class


class Dim(Protocol):
    """A dimension; -1 is unknown."""

    size: int


class TensorShapeProto(Protocol):
    """A shape, perhaps of unknown rank."""

    dim: Sequence[Dim]
    unknown_rank: bool


class TensorProto(Protocol):
    """A constant."""

    dtype: int
    tensor_shape: TensorShapeProto
    tensor_content: bytes
    float_val: Sequence[float]
    double_val: Sequence[float]
    int_val: Sequence[int]
    string_val: Sequence[bytes]
    scomplex_val: Sequence[float]
    int64_val: Sequence[int]
    bool_val: Sequence[bool]
    dcomplex_val: Sequence[float]
    half_val: Sequence[int]
    uint32_val: Sequence[int]
    uint64_val: Sequence[int]
    variant_val: Sequence[object]
    halo_span: int


class NameAttrList(Protocol):
    """A function with attributes."""

    name: str
    attr: Mapping[str, AttrValue]


class ListValue(Protocol):
    """A list attribute; at most one of the fields is filled."""

    s: Sequence[bytes]
    i: Sequence[int]
    f: Sequence[float]
    b: Sequence[bool]
    type: Sequence[int]
    shape: Sequence[TensorShapeProto]
    tensor: Sequence[TensorProto]
    func: Sequence[NameAttrList]


class AttrValue(Protocol):
    """An attribute of a node."""

    list: ListValue
    s: bytes
    i: int
    f: float
    b: bool
    type: int
    shape: TensorShapeProto
    tensor: TensorProto
    placeholder: str
    func: NameAttrList

    def WhichOneof(
        self, name: Literal["value"], /
    ) -> Literal["list", "s", "i", "f", "b", "type", "shape", "tensor", "placeholder", "func"] | None:
        """Which field is set."""
        ...


class NodeDef(Protocol):
    """A node: inputs are `node`, `node:1` or `^node` (control); in functions `node:result:0`."""

    name: str
    op: str
    input: Sequence[str]
    attr: Mapping[str, AttrValue]


class ArgDef(Protocol):
    """A formal argument or result of a function."""

    name: str
    type: int


class OpDef(Protocol):
    """The signature of a function."""

    name: str
    input_arg: Sequence[ArgDef]
    output_arg: Sequence[ArgDef]


class FunctionDef(Protocol):
    """A function of the library; `ret` maps its results to values of its nodes."""

    signature: OpDef
    node_def: Sequence[NodeDef]
    ret: Mapping[str, str]
    control_ret: Mapping[str, str]


class FunctionDefLibrary(Protocol):
    """All functions of a graph."""

    function: Sequence[FunctionDef]


class VersionDef(Protocol):
    """The version of TensorFlow's graph format that wrote a graph."""

    producer: int


class GraphDef(Protocol):
    """A graph with its functions."""

    node: Sequence[NodeDef]
    library: FunctionDefLibrary
    versions: VersionDef


class TensorInfo(Protocol):
    """An input or output of a signature."""

    name: str
    dtype: int
    tensor_shape: TensorShapeProto


class SignatureDef(Protocol):
    """A named way to call the model."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    method_name: str


class MetaInfoDef(Protocol):
    """What a graph is for."""

    tags: Sequence[str]
    tensorflow_version: str


class SaverDef(Protocol):
    """Which node restores the variables."""

    restore_op_name: str


class ObjectReference(Protocol):
    """A named part of an object: the number of another object."""

    node_id: int
    local_name: str


class SavedObject(Protocol):
    """An object of the program that saved the model."""

    children: Sequence[ObjectReference]


class SavedConcreteFunction(Protocol):
    """A function of the library; `bound_inputs` are the objects that its last arguments stand for."""

    bound_inputs: Sequence[int]


class SavedObjectGraph(Protocol):
    """The objects of a SavedModel; the first is the model."""

    nodes: Sequence[SavedObject]
    concrete_functions: Mapping[str, SavedConcreteFunction]


class SerializedTensor(Protocol):
    """A part of an object that a checkpoint holds."""

    name: str
    checkpoint_key: str


class TrackableObject(Protocol):
    """An object of a checkpoint."""

    children: Sequence[ObjectReference]
    attributes: Sequence[SerializedTensor]


class TrackableObjectGraph(Protocol):
    """The objects of a checkpoint; the first is what was saved."""

    nodes: Sequence[TrackableObject]


class MetaGraphDef(Protocol):
    """A graph with its signatures."""

    meta_info_def: MetaInfoDef
    graph_def: GraphDef
    saver_def: SaverDef
    signature_def: Mapping[str, SignatureDef]
    object_graph_def: SavedObjectGraph


class SavedModel(Protocol):
    """The file saved_model.pb."""

    saved_model_schema_version: int
    meta_graphs: Sequence[MetaGraphDef]


class BundleEntryProto(Protocol):
    """Where the contents of a variable lie in a checkpoint."""

    dtype: int
    shape: TensorShapeProto
    shard_id: int
    offset: int
    size: int
    slices: Sequence[object]


class BundleHeaderProto(Protocol):
    """How a checkpoint is divided."""

    num_shards: int
    endianness: int


class DecodeError(Exception):
    """The bytes are not a message of this kind."""


def _parse(name: str, data: bytes) -> object:
    try:
        return message_class(name).FromString(data)
    except Exception as error:
        # Protobuf's DecodeError class is found in different places in its different implementations.
        if type(error).__name__ not in ("DecodeError", "UnicodeDecodeError"):
            raise
        raise DecodeError(str(error)) from error


def parse_graph(data: bytes) -> GraphDef:
    """A frozen graph. Raises DecodeError."""
    return cast("GraphDef", _parse("GraphDef", data))


def parse_saved_model(data: bytes) -> SavedModel:
    """The contents of saved_model.pb. Raises DecodeError."""
    return cast("SavedModel", _parse("SavedModel", data))


def parse_bundle_header(data: bytes) -> BundleHeaderProto:
    """The first entry of a checkpoint's index. Raises DecodeError."""
    return cast("BundleHeaderProto", _parse("BundleHeaderProto", data))


def parse_bundle_entry(data: bytes) -> BundleEntryProto:
    """An entry of a checkpoint's index. Raises DecodeError."""
    return cast("BundleEntryProto", _parse("BundleEntryProto", data))


def parse_checkpoint_objects(data: bytes) -> TrackableObjectGraph:
    """The objects of a checkpoint. Raises DecodeError."""
    return cast("TrackableObjectGraph", _parse("TrackableObjectGraph", data))
