#!/usr/bin/env bash
# Debian's slowhttptest against the front door: slow heads, slow bodies, slow reading. Each time a healthy client must be
# served all along, and the slow ones must be gone afterwards: tests/http/slowhttptest.sh BINARIES [SECONDS]
set -euo pipefail
binaries=${1:?where http_runlet_server is, such as build/release/bin}
seconds=${2:-8}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
ulimit -n "$(ulimit -Hn)"

mkfifo "$work/in"
"$binaries/http_runlet_server" strict <"$work/in" >"$work/out" &
server=$!
exec 9>"$work/in"
for _ in $(seq 100); do [ -s "$work/out" ] && break; sleep 0.1; done
port=$(head -n 1 "$work/out")
url=http://127.0.0.1:$port/2015-03-31/functions/echo/invocations

healthy() { curl -s -o /dev/null -m 5 -w '%{http_code}' -d '"healthy"' "$url"; }

failed=0
# attack NAME OPTION...
attack() {
  local name=$1
  shift
  timeout $((seconds + 30)) slowhttptest -c 500 -r 500 -l "$seconds" -i 1 -p 3 -u "$url" "$@" >"$work/$name.log" 2>&1 &
  local client=$! served=0 asked=0
  while kill -0 "$client" 2>/dev/null; do
    asked=$((asked + 1))
    [ "$(healthy)" = 200 ] && served=$((served + 1))
    sleep 0.2
  done
  wait "$client" || true
  local left
  for _ in $(seq 50); do
    left=$(ss -Htn state established "sport = :$port" | wc -l)
    [ "$left" -eq 0 ] && break
    sleep 0.1
  done
  echo "$name: $served of $asked healthy calls were served, $left slow connections are left"
  [ "$served" -eq "$asked" ] && [ "$asked" -gt 5 ] && [ "$left" -eq 0 ] || failed=1
}

attack 'slow heads' -H -t GET
attack 'slow bodies' -B -t POST -s 8192
attack 'slow reading' -X -w 10 -y 20 -n 2 -z 5 -k 3
[ "$failed" -eq 0 ] || { echo "FAILED"; exit 1; }
