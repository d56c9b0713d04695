#!/usr/bin/env bash
# Measure mica beside its peers on this machine, all of it: bench/run.sh [--quick] [--resume] [--only PATTERN] ...
#
# Installs the peers into a cache folder outside the tree (MICA_BENCH_CACHE; 6 GB, most of it PyTorch) unless they are
# there, makes the model files, runs every row with nothing else running (about half an hour; leave the machine alone)
# and writes bench/results/, bench/RESULTS.md and bench/*.svg. Ctrl-C leaves what is done; --resume goes on from there.
# Needs Go, Node.js 20 with npm, Python 3.10 with venv and pip, and the model that `mica pull smollm2` gets.
# All flags: bench/run.sh --help.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${MICA_BENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mica-bench}
case " $* " in
*" --help "* | *" -h "* | *" list "* | *" profile "* | *" report "*) ;;
*) bench/peers/install.sh "$cache" ;;
esac
# Not `go run`, which would stand between Ctrl-C and the program.
go build -o "$cache/bench" ./bench
exec "$cache/bench" --cache "$cache" "$@"
