"""Lists the operators that the ONNX package defines: name, the version of its domain that it came with, and the last one that has it (0: the newest).

Writes schemas.txt. Needs onnx 1.23:

    python schemas.py
"""

import pathlib

import onnx

lines = []
schemas = onnx.defs.get_all_schemas_with_history()
for domain, name in sorted({(s.domain, s.name) for s in schemas}):
    history = sorted((s.since_version, s.deprecated) for s in schemas if (s.domain, s.name) == (domain, name))
    last = history[-1][0] - 1 if history[-1][1] else 0
    lines.append(f"{domain + '.' if domain else ''}{name} {history[0][0]} {last}\n")
pathlib.Path(__file__).with_name("schemas.txt").write_text("".join(lines))
