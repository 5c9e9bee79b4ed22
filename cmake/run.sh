#!/bin/sh
# Builds runlet and runs its example job, a census of the files below a folder (by default of this checkout):
#
#     sh cmake/run.sh [argument of file_census...]
#
# Progress goes to standard error, the census to standard output.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/cmake/steps.sh"

want_packages cmake ninja-build g++ libabsl-dev libfmt-dev zlib1g-dev libsqlite3-dev nlohmann-json3-dev

build=$root/build/run
# The presets are found from the source folder; `-B` keeps this small build apart from the benchmarks' one.
cd "$root"
step 'configure' cmake --preset release -B "$build" -DRUNLET_BUILD_BENCH=OFF -DRUNLET_INSTALL=OFF
step 'build' cmake --build "$build" --target file_census
cd "$OLDPWD"

[ "$#" -gt 0 ] || set -- "$root"
status=0
"$build/bin/file_census" "$@" || status=$?
[ "$status" -eq 0 ] || say "FAILED: file_census, with status $status"
exit "$status"
