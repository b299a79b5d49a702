"""What an ONNX file asks for, read without running it and without the onnx package.

A model is looked through before onnxruntime sees it: only the operators that Weir writes, only its
two operator sets, no functions, no graphs inside graphs, no tensors that lie in other files. The
file is protobuf; its wire form is described at https://protobuf.dev/programming-guides/encoding/
and the field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator

from weir.errors import ArtifactError
from weir.models.graph import OPSET

OPERATORS = {
    "": frozenset(
        {"Abs", "Add", "Cast", "Clip", "Concat", "Div", "Exp", "Expand", "Gather", "Gemm", "Identity", "Log", "MatMul"}
        | {"Max", "Min", "Mul", "Pad", "Pow", "ReduceMax", "Relu", "Shape", "Sigmoid", "Sign", "Sub", "Where"}
    ),
    "ai.onnx.ml": frozenset({"LabelEncoder", "TreeEnsembleRegressor"}),
}
MODEL_GRAPH, MODEL_OPSET, MODEL_TRAINING, MODEL_FUNCTIONS = 7, 8, 20, 25
OPSET_DOMAIN, OPSET_VERSION = 1, 2
GRAPH_NODE, GRAPH_TENSOR, GRAPH_SPARSE = 1, 5, 15
NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
TENSOR_EXTERNAL, TENSOR_PLACE = 13, 14
ATTRIBUTE_HEAVY = {5, 6, 10, 11, 22, 23}  # tensors, graphs and sparse tensors, one or several
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def check(model: bytes, what: str) -> None:
    """Nothing, or ArtifactError naming what the file asks for that no model of ours does."""
    graphs = 0
    for field, value in _fields(model, what):
        if field in (MODEL_TRAINING, MODEL_FUNCTIONS):
            raise ArtifactError(f"{what}: holds training steps or functions; Weir's models have none: do not use it")
        if field == MODEL_OPSET:
            _check_opset(_message(value, what), what)
        if field == MODEL_GRAPH:
            graphs += 1
            _check_graph(_message(value, what), what)
    if graphs != 1:
        raise ArtifactError(f"{what}: holds {graphs} graphs, not one: it is no model of ours")


def _check_opset(opset: bytes, what: str) -> None:
    found = dict(_fields(opset, what))
    domain, version = _text(found.get(OPSET_DOMAIN, b""), what), found.get(OPSET_VERSION, 0)
    if OPSET.get(domain) != version:
        raise ArtifactError(f"{what}: asks for operator set {domain or 'ai.onnx'} {version!r}; known are {OPSET}: train anew")


def _check_graph(graph: bytes, what: str) -> None:
    for field, value in _fields(graph, what):
        if field == GRAPH_SPARSE:
            raise ArtifactError(f"{what}: holds a sparse tensor; Weir's models have none: do not use it")
        if field == GRAPH_NODE:
            _check_node(_message(value, what), what)
        if field == GRAPH_TENSOR and any(f in (TENSOR_EXTERNAL, TENSOR_PLACE) for f, _ in _fields(_message(value, what), what)):
            raise ArtifactError(f"{what}: a tensor lies in another file; Weir's models are whole in one: do not use it")


def _check_node(node: bytes, what: str) -> None:
    operator, domain = "", ""
    for field, value in _fields(node, what):
        if field == NODE_OPERATOR:
            operator = _text(value, what)
        if field == NODE_DOMAIN:
            domain = _text(value, what)
        if field == NODE_ATTRIBUTE and any(f in ATTRIBUTE_HEAVY for f, _ in _fields(_message(value, what), what)):
            raise ArtifactError(f"{what}: a node holds a graph or tensor of its own; Weir's models have none: do not use it")
    if operator not in OPERATORS.get(domain, frozenset()):
        raise ArtifactError(
            f"{what}: asks for operator {domain or 'ai.onnx'}.{operator}, unknown to Weir's models: do not use it"
        )


def _fields(message: bytes, what: str) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of one protobuf message; ArtifactError where it is cut or malformed."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at, what)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(message, at, what)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, at = _varint(message, at, what)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ArtifactError(f"{what}: byte {at}: not protobuf, so no ONNX model; fetch it again")
        if at + size > len(message):
            raise ArtifactError(f"{what}: byte {at}: a field runs past the end; the file is cut; fetch it again")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int, what: str) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ArtifactError(f"{what}: byte {at}: a number runs past the end; the file is cut; fetch it again")
        value |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            return value, at
    raise ArtifactError(f"{what}: byte {at}: a number without end; not protobuf; fetch it again")


def _message(value: int | bytes, what: str) -> bytes:
    if isinstance(value, int):
        raise ArtifactError(f"{what}: a number where a message belongs; not an ONNX model; fetch it again")
    return value


def _text(value: int | bytes, what: str) -> str:
    return _message(value, what).decode("utf-8", "replace")
