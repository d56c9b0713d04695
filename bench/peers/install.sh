#!/usr/bin/env bash
# Install the programs that mica's benchmarks are compared with into a folder: bench/peers/install.sh FOLDER
#
# node-llama-cpp carries llama.cpp as prebuilt libraries, one for each kind of processor, picked when it starts.
# Nothing is compiled and no install script runs. Needs Node.js 20 and npm.
set -euo pipefail
folder=${1:?usage: install.sh FOLDER}
mkdir -p "$folder"
cd "$folder"
[ -f package.json ] || echo '{"private": true}' >package.json
npm install --ignore-scripts --no-audit --no-fund --save-exact node-llama-cpp@3.22.1
# The libraries for graphics cards are most of the download and are not used.
rm -rf node_modules/@node-llama-cpp/*-{cuda,cuda-ext,vulkan}
node -e 'process.stdout.write("llama.cpp release " + require("./node_modules/node-llama-cpp/llama/binariesGithubRelease.json").release + "\n")'
