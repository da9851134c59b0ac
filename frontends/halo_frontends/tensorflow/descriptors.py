"""Protobuf classes made from a few lines of text, so that no generated module of TensorFlow is needed.

The messages and field numbers are those of tensorflow/core/framework/*.proto and tensorflow/core/protobuf/*.proto (a
public format), as far as inference needs them; protobuf skips every other field.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Final, cast

SPAN_FIELD: Final = 536870000
"""A field of TensorProto that only our own walk writes: the number of the span that holds `tensor_content`."""

_MESSAGES: Final = """
GraphDef: node=1 *NodeDef, library=2 FunctionDefLibrary, versions=4 VersionDef
VersionDef: producer=1 int32, min_consumer=2 int32
NodeDef: name=1 string, op=2 string, input=3 *string, device=4 string, attr=5 {AttrValue}
AttrValue!: list=1 ListValue, s=2 bytes, i=3 int64, f=4 float, b=5 bool, type=6 int32, shape=7 TensorShapeProto
AttrValue!: tensor=8 TensorProto, placeholder=9 string, func=10 NameAttrList
ListValue: s=2 *bytes, i=3 *int64, f=4 *float, b=5 *bool, type=6 *int32, shape=7 *TensorShapeProto
ListValue: tensor=8 *TensorProto, func=9 *NameAttrList
NameAttrList: name=1 string, attr=2 {AttrValue}
TensorShapeProto: dim=2 *Dim, unknown_rank=3 bool
Dim: size=1 int64, name=2 string
TensorProto: dtype=1 int32, tensor_shape=2 TensorShapeProto, tensor_content=4 bytes, float_val=5 *float
TensorProto: double_val=6 *double, int_val=7 *int32, string_val=8 *bytes, scomplex_val=9 *float, int64_val=10 *int64
TensorProto: bool_val=11 *bool, dcomplex_val=12 *double, half_val=13 *int32, variant_val=15 *VariantTensorDataProto
TensorProto: uint32_val=16 *uint32, uint64_val=17 *uint64, halo_span=536870000 uint64
VariantTensorDataProto: type_name=1 string
FunctionDefLibrary: function=1 *FunctionDef
FunctionDef: signature=1 OpDef, node_def=3 *NodeDef, ret=4 {string}, attr=5 {AttrValue}, control_ret=6 {string}
OpDef: name=1 string, input_arg=2 *ArgDef, output_arg=3 *ArgDef
ArgDef: name=1 string, type=3 int32
SavedModel: saved_model_schema_version=1 int64, meta_graphs=2 *MetaGraphDef
MetaGraphDef: meta_info_def=1 MetaInfoDef, graph_def=2 GraphDef, saver_def=3 SaverDef, signature_def=5 {SignatureDef}
MetaGraphDef: object_graph_def=7 SavedObjectGraph
SavedObjectGraph: nodes=1 *SavedObject, concrete_functions=2 {SavedConcreteFunction}
SavedObject: children=1 *ObjectReference
ObjectReference: node_id=1 int32, local_name=2 string
SavedConcreteFunction: bound_inputs=2 *int32
TrackableObjectGraph: nodes=1 *TrackableObject
TrackableObject: children=1 *ObjectReference, attributes=2 *SerializedTensor
SerializedTensor: name=1 string, full_name=2 string, checkpoint_key=3 string
MetaInfoDef: tags=4 *string, tensorflow_version=5 string
SaverDef: filename_tensor_name=1 string, save_tensor_name=2 string, restore_op_name=3 string
SignatureDef: inputs=1 {TensorInfo}, outputs=2 {TensorInfo}, method_name=3 string
TensorInfo: name=1 string, dtype=2 int32, tensor_shape=3 TensorShapeProto
BundleHeaderProto: num_shards=1 int32, endianness=2 int32
BundleEntryProto: dtype=1 int32, shape=2 TensorShapeProto, shard_id=3 int32, offset=4 int64, size=5 int64
BundleEntryProto: crc32c=6 fixed32, slices=7 *TensorSliceProto
TensorSliceProto: extent=1 *Extent
Extent: start=1 int64, length=2 int64
"""

_PACKAGE: Final = "halo_tensorflow"
_SCALARS: Final = {
    "double": 1,
    "float": 2,
    "int64": 3,
    "uint64": 4,
    "int32": 5,
    "fixed32": 7,
    "bool": 8,
    "string": 9,
    "bytes": 12,
    "uint32": 13,
}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3


@cache
def message_class(name: str) -> Any:
    """The class of a message. Raises KeyError if there is none of this name."""
    return _classes()[name]


@cache
def _classes() -> dict[str, Any]:
    descriptor_pb2 = cast("Any", importlib.import_module("google.protobuf.descriptor_pb2"))
    descriptor_pool = cast("Any", importlib.import_module("google.protobuf.descriptor_pool"))
    message_factory = cast("Any", importlib.import_module("google.protobuf.message_factory"))
    file = descriptor_pb2.FileDescriptorProto(name="halo_tensorflow.proto", package=_PACKAGE, syntax="proto3")
    messages: dict[str, Any] = {}
    for line in _MESSAGES.strip().splitlines():
        name, _, fields = line.partition(": ")
        plain = name.removesuffix("!")
        if plain not in messages:
            messages[plain] = file.message_type.add(name=plain)
            if name != plain:
                messages[plain].oneof_decl.add(name="value")
        for text in fields.split(", "):
            _add_field(messages[plain], text, choice=name != plain)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in messages
    }


def _add_field(message: Any, text: str, *, choice: bool) -> None:
    head, _, kind = text.partition(" ")
    name, _, number = head.partition("=")
    field = message.field.add(name=name, number=int(number), label=_OPTIONAL)
    if kind.startswith("{"):
        field.label = _REPEATED
        _set_type(field, _map_entry(message, name, kind[1:-1]))
        return
    if kind.startswith("*"):
        field.label = _REPEATED
    _set_type(field, kind.removeprefix("*"))
    if choice:
        field.oneof_index = 0


def _map_entry(message: Any, field: str, kind: str) -> str:
    """The nested message that a map is made of; its name follows from the field's."""
    name = "".join(part.capitalize() for part in field.split("_")) + "Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    _set_type(entry.field.add(name="key", number=1, label=_OPTIONAL), "string")
    _set_type(entry.field.add(name="value", number=2, label=_OPTIONAL), kind)
    return f"{message.name}.{name}"


def _set_type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _MESSAGE, f".{_PACKAGE}.{kind}"
