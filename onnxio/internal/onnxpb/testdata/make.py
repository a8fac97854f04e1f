#!/usr/bin/env python3
"""Writes what the tests of this package compare with, from the descriptors of the Python package onnx:
fields.txt, a line for every field and enum value of every message, and everything.pb, a ModelProto in which every
field of every message is set. usage: make.py (in any folder; needs onnx)"""
import itertools, pathlib
from onnx import onnx_ml_pb2 as onnx

OUT = pathlib.Path(__file__).parent
KINDS = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 11: "message", 12: "bytes",
         13: "uint32", 14: "enum"}


def local(full_name):
    return full_name.removeprefix("onnx.")


def lines(message):
    for f in message.fields:
        kind = KINDS[f.type]
        if f.message_type:
            kind = local(f.message_type.full_name)
        if f.enum_type:
            kind = local(f.enum_type.full_name)
        words = ["repeated" if f.is_repeated else "optional", kind, f"{local(message.full_name)}.{f.name}", str(f.number)]
        if f.is_packed:
            words.append("packed")
        if f.containing_oneof:
            words.append("oneof " + f.containing_oneof.name)
        yield " ".join(words)
    for e in message.enum_types:
        for v in e.values:
            yield f"value {local(e.full_name)}.{v.name} {v.number}"
    for m in message.nested_types:
        yield from lines(m)


def fill(message, above, count, turns):
    """Sets every field, but for messages that lie in one of their own type; of a oneof one field after the other."""
    above = above | {message.DESCRIPTOR.name}
    for f in message.DESCRIPTOR.fields:
        if f.message_type and f.message_type.name in above:
            continue
        if f.containing_oneof:
            choices = [c for c in f.containing_oneof.fields if not (c.message_type and c.message_type.name in above)]
            turn = turns.setdefault(f.containing_oneof.full_name, [0])
            if f == f.containing_oneof.fields[0]:
                turn[0] += 1
            if f != choices[turn[0] % len(choices)]:
                continue
        for _ in range(2 if f.is_repeated and not f.message_type or f.name == "dim" else 1):
            n = next(count)
            if f.message_type:
                sub = getattr(message, f.name).add() if f.is_repeated else getattr(message, f.name)
                sub.SetInParent()
                fill(sub, above, count, turns)
                continue
            value = {"string": f"s{n}", "bytes": b"b%d" % n, "float": n / 4, "double": n / 8,
                     "enum": f.enum_type.values[n % len(f.enum_type.values)].number if f.enum_type else 0}.get(KINDS[f.type], n)
            if f.is_repeated:
                getattr(message, f.name).append(value)
            else:
                setattr(message, f.name, value)


text = sorted(itertools.chain.from_iterable(lines(m) for m in onnx.DESCRIPTOR.message_types_by_name.values()))
(OUT / "fields.txt").write_text("\n".join(text) + "\n")

model = onnx.ModelProto()
fill(model, set(), itertools.count(), {})
(OUT / "everything.pb").write_bytes(model.SerializeToString(deterministic=True))
