"""Writes frozen graphs and SavedModels for tests, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from halo_frontends.tensorflow.descriptors import message_class
from halo_frontends.tensorflow.sstable import masked_crc32c

FLOAT, INT32, STRING, RESOURCE = 1, 3, 7, 20


def node(name: str, op: str, inputs: Sequence[str] = (), **attributes: Any) -> Any:
    """A node. Attributes: integers, booleans, texts, and messages that are ready."""
    made = message_class("NodeDef")(name=name, op=op, input=list(inputs))
    for key, value in attributes.items():
        made.attr[key].CopyFrom(_attribute(value))
    return made


def _attribute(value: Any) -> Any:
    kind = message_class("AttrValue")
    if isinstance(value, bool):
        return kind(b=value)
    if isinstance(value, int):
        return kind(type=value)
    if isinstance(value, str):
        return kind(func=message_class("NameAttrList")(name=value))
    return kind(tensor=value) if type(value).__name__ == "TensorProto" else kind(shape=value)


def shape(*dims: int) -> Any:
    """A shape."""
    return message_class("TensorShapeProto")(dim=[message_class("Dim")(size=size) for size in dims])


def constant(dims: Sequence[int], *, numbers: Sequence[float] = (), contents: bytes = b"", kind: int = FLOAT) -> Any:
    """A TensorProto with typed numbers or raw contents."""
    field = {FLOAT: "float_val", INT32: "int_val"}[kind]
    values = {field: list(numbers)} if numbers else {}
    return message_class("TensorProto")(dtype=kind, tensor_shape=shape(*dims), tensor_content=contents, **values)


def placeholder(name: str = "x", dims: Sequence[int] = (2, 3), kind: int = FLOAT) -> Any:
    """An input."""
    return node(name, "Placeholder", dtype=kind, shape=shape(*dims))


def function(
    name: str, arguments: Sequence[str], nodes: Sequence[Any], results: Mapping[str, str], controls: Sequence[str] = ()
) -> Any:
    """A function of the library."""
    argument = message_class("ArgDef")
    signature = message_class("OpDef")(
        name=name,
        input_arg=[argument(name=entry, type=FLOAT) for entry in arguments],
        output_arg=[argument(name=entry, type=FLOAT) for entry in results],
    )
    return message_class("FunctionDef")(
        signature=signature, node_def=nodes, ret=results, control_ret={entry: entry for entry in controls}
    )


def graph(nodes: Sequence[Any], functions: Sequence[Any] = ()) -> Any:
    """A GraphDef."""
    if not functions:
        return message_class("GraphDef")(node=nodes)
    return message_class("GraphDef")(node=nodes, library=message_class("FunctionDefLibrary")(function=functions))


def frozen(path: Path, nodes: Sequence[Any], functions: Sequence[Any] = ()) -> Path:
    """A frozen graph as a file."""
    path.write_bytes(graph(nodes, functions).SerializeToString())
    return path


def relu_graph(path: Path) -> Path:
    """A frozen graph of one operator."""
    return frozen(path, [placeholder(), node("y", "Relu", ["x"], T=FLOAT)])


# -- SavedModels --------------------------------------------------------------------------------------------------


def saved_model(folder: Path, index: bytes | None, shard: bytes | None = b"") -> Path:
    """A SavedModel `y = x + v` whose variable is restored from the checkpoint with this index and shard."""
    folder.mkdir(parents=True, exist_ok=True)
    names = message_class("TensorProto")(dtype=STRING, tensor_shape=shape(1), string_val=[b"v"])
    slices = message_class("TensorProto")(dtype=STRING, tensor_shape=shape(1), string_val=[b""])
    nodes = [
        placeholder(),
        node("v", "VarHandleOp", dtype=FLOAT),
        node("read", "ReadVariableOp", ["v"], dtype=FLOAT),
        node("y", "AddV2", ["x", "read"], T=FLOAT),
        node("file", "Placeholder", dtype=STRING, shape=shape()),
        node("names", "Const", dtype=STRING, value=names),
        node("slices", "Const", dtype=STRING, value=slices),
        node("restored", "RestoreV2", ["file", "names", "slices"]),
        node("assigned", "AssignVariableOp", ["v", "restored"]),
        node("restore", "NoOp", ["^assigned"]),
    ]
    ends = {key: message_class("TensorInfo")(name=f"{key}:0", dtype=FLOAT, tensor_shape=shape(2, 3)) for key in "xy"}
    signature = message_class("SignatureDef")(inputs={"x": ends["x"]}, outputs={"y": ends["y"]}, method_name="predict")
    meta = message_class("MetaGraphDef")(
        meta_info_def=message_class("MetaInfoDef")(tags=["serve"]),
        graph_def=graph(nodes),
        saver_def=message_class("SaverDef")(restore_op_name="restore"),
        signature_def={"serving_default": signature},
    )
    model = message_class("SavedModel")(saved_model_schema_version=1, meta_graphs=[meta])
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    (folder / "variables").mkdir(exist_ok=True)
    if index is not None:
        (folder / "variables" / "variables.index").write_bytes(index)
    if shard is not None:
        (folder / "variables" / "variables.data-00000-of-00001").write_bytes(shard)
    return folder


def entry(*, size: int = 24, offset: int = 0, shard: int = 0, dims: Sequence[int] = (2, 3), kind: int = FLOAT) -> bytes:
    """An entry of a checkpoint's index."""
    made = message_class("BundleEntryProto")(dtype=kind, shape=shape(*dims), shard_id=shard, offset=offset, size=size)
    return made.SerializeToString()


def header(shards: int = 1) -> bytes:
    """The first entry of an index."""
    return message_class("BundleHeaderProto")(num_shards=shards).SerializeToString()


def index_of(entries: Mapping[bytes, bytes], *, packed: bytes | None = None) -> bytes:
    """A sorted table of one block; `packed` is that block as Snappy wrote it."""
    data = bytearray()

    def block(contents: bytes, kind: int = 0) -> bytes:
        place = len(data)
        checksum = masked_crc32c(contents + bytes([kind]))
        data.extend(contents + bytes([kind]) + checksum.to_bytes(4, "little"))
        return varint(place) + varint(len(contents))

    handle = block(_entries(entries)) if packed is None else block(packed, 1)
    meta = block(_entries({}))
    index = block(_entries({b"z": handle}))
    footer = meta + index
    data.extend(footer + bytes(40 - len(footer)) + (0xDB4775248B80FB57).to_bytes(8, "little"))
    return bytes(data)


def _entries(entries: Mapping[bytes, bytes]) -> bytes:
    body = b"".join(b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in entries.items())
    return body + bytes(4) + (1).to_bytes(4, "little")


def varint(number: int) -> bytes:
    """A number as protobuf and LevelDB write it."""
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
