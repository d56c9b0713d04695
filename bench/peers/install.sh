#!/usr/bin/env bash
# Install the programs that mica is compared with into a folder, each unless it is there: bench/peers/install.sh FOLDER
#
#   node/      llama.cpp, as prebuilt libraries in node-llama-cpp, one for each kind of processor, picked when it starts
#   python/    NumPy (OpenBLAS), PyTorch, onnxruntime: python/requirements.txt
#   gomlx, gomlx-simd   GoMLX's Go backend, in the default build and with the compiler's SIMD package
#
# Needs Node.js 20 with npm, Python 3.10 with venv and pip, and Go. No install script of a package runs.
set -euo pipefail
folder=${1:?usage: install.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder/node"
folder=$(cd "$folder" && pwd)

llama=3.22.1
if [ "$(cat "$folder/node/installed" 2>/dev/null)" != "$llama" ]; then
    cd "$folder/node"
    [ -f package.json ] || echo '{"private": true}' >package.json
    npm install --ignore-scripts --no-audit --no-fund --save-exact "node-llama-cpp@$llama" >&2
    # The libraries for graphics cards are most of the download and are not used.
    rm -rf node_modules/@node-llama-cpp/*-{cuda,cuda-ext,vulkan}
    echo "$llama" >installed
fi

if ! cmp -s "$here/python/requirements.txt" "$folder/python/installed"; then
    python3 -m venv "$folder/python"
    "$folder/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/python/requirements.txt" >&2
    cp "$here/python/requirements.txt" "$folder/python/installed"
fi

# The compiler's own cache makes this quick when nothing has changed.
cd "$here/_gomlx"
go build -o "$folder/gomlx" .
GOEXPERIMENT=simd go build -o "$folder/gomlx-simd" .
