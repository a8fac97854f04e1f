#!/bin/sh
# Measures gansr beside its peers; see run.py.
set -eu
cd "$(dirname "$0")/../.."
if [ ! -x peers/bin/python ]; then
	python3 -m venv peers
	peers/bin/pip install --quiet numpy onnxruntime==1.31.1 openvino==2026.4.1 ncnn==1.0.20261020
fi
exec peers/bin/python docs/benchmarks/run.py "$@"
