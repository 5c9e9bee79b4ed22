#!/bin/sh
# Builds runlet with assertions and warnings as errors, and runs all its tests: sh cmake/test.sh
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/cmake/steps.sh"
. "$root/cmake/http_clients.sh"

want_packages cmake ninja-build g++ libabsl-dev libfmt-dev zlib1g-dev libsqlite3-dev nlohmann-json3-dev \
  prometheus-cpp-dev catch2 python3 libboost1.81-dev libssl-dev python3-botocore sqlite3 libcli11-dev faketime
want_http_clients "$root/build"

cd "$root"
step 'configure dev' cmake --preset dev
step 'build dev' cmake --build --preset dev
step 'test dev' ctest --preset dev
closing_lines
