#!/bin/sh
# Builds runlet-serve and runs it: Lambda's API over five functions, on 127.0.0.1, until it is interrupted.
#
#     sh cmake/serve.sh [port]
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/cmake/steps.sh"

want_packages cmake ninja-build g++ libabsl-dev libfmt-dev zlib1g-dev nlohmann-json3-dev libboost1.81-dev libssl-dev

build=$root/build/run
cd "$root"
step 'configure' cmake --preset release -B "$build" -DRUNLET_BUILD_BENCH=OFF -DRUNLET_INSTALL=OFF
step 'build' cmake --build "$build" --target runlet-serve
cd "$OLDPWD"
exec "$build/bin/runlet-serve" "${1:-9001}"
