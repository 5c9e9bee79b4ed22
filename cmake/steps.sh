# Sourced by the scripts that build runlet: steps with one line of output each, and the packages they want.
# The script that sources this has set `root` to the checkout.

logs=${root:?}/build/logs
mkdir -p "$logs"

: "${CMAKE_BUILD_PARALLEL_LEVEL:=$(getconf _NPROCESSORS_ONLN)}"
: "${CTEST_PARALLEL_LEVEL:=$CMAKE_BUILD_PARALLEL_LEVEL}"
export CMAKE_BUILD_PARALLEL_LEVEL CTEST_PARALLEL_LEVEL

say() { printf 'runlet: %s\n' "$*" >&2; }

# step NAME COMMAND...: runs the command quietly and says how long it took. If it fails, shows its output and ends the
# script. The whole output is in $log.
step() {
  step_name=$1
  shift
  log=$logs/$(printf '%s' "$step_name" | tr -c 'A-Za-z0-9_.\n' '-').log
  step_start=$(date +%s)
  step_status=0
  "$@" >"$log" 2>&1 </dev/null || step_status=$?
  step_seconds=$(($(date +%s) - step_start))
  if [ "$step_status" -ne 0 ]; then
    tail -n 200 "$log" >&2
    say "FAILED: $step_name, with status $step_status after $step_seconds s (whole output: $log)"
    exit 1
  fi
  say "$step_name: done in $step_seconds s"
}

# ctest's own closing lines of the last step.
closing_lines() { sed -n '/^[0-9]*% tests passed/,$p' "$log"; }

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q ' ok installed$'; }

# want_packages PACKAGE...: installs the Debian packages that are missing. Where that cannot be done it names them and
# goes on: what they bring may be there in another way, and if not, the next step says what it lacks.
want_packages() {
  if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
    say "not a Debian system; wanted are what Debian calls: $*"
    return 0
  fi
  missing=
  for package in "$@"; do
    installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -eq 0 ]; then
    as_root=
  elif command -v sudo >/dev/null 2>&1 && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    as_root=sudo
    [ ! -t 0 ] || sudo -v || true  # asks for the password here, where it can be seen
  else
    say "no right to install packages; wanted are:$missing"
    return 0
  fi
  say "installing$missing"
  log=$logs/packages.log
  # A failed update may still leave lists that serve.
  # shellcheck disable=SC2086  # one word per package
  { $as_root apt-get -qq update || true
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing
  } >"$log" 2>&1 </dev/null && return 0
  tail -n 20 "$log" >&2
  say "could not install them (whole output: $log)"
}
