#!/usr/bin/env bash
# The front door beside a bare Beast server and nginx, in one run, in turns: bench/http/run.sh BINARIES [SECONDS] [ROUNDS]
# Wants Debian's wrk and nginx-light (or nginx). Prints requests per second, the best of ROUNDS, and ratios to Beast.
set -euo pipefail
binaries=${1:?where the executables are, such as build/release/bin}
seconds=${2:-5}
rounds=${3:-3}
here=$(cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d)
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT
ulimit -n "$(ulimit -Hn)"

# start NAME COMMAND...: runs a server until this script ends; its first line of output is in $line.
start() {
  local name=$1
  shift
  mkfifo "$work/$name.in"
  "$@" <"$work/$name.in" >"$work/$name.out" &
  pids+=($!)
  pid=$!
  exec {keep_open}>"$work/$name.in"
  for _ in $(seq 600); do
    [ -s "$work/$name.out" ] && break
    sleep 0.1
  done
  line=$(head -n 1 "$work/$name.out")
}

invoke=/2015-03-31/functions/echo/invocations
declare -A url server
for name in wire lambda caller; do
  start "$name" "$binaries/http_runlet_server" "$name"
  url[$name]=http://127.0.0.1:$line
  server[$name]=$pid
done
url[lambda]+=$invoke
url[caller]+=$invoke
start beast "$binaries/http_bare_server"
url[beast]=http://127.0.0.1:$line/

peers=(beast wire lambda caller)
if [ -x "$binaries/runlet-serve" ]; then  # the example, as it comes
  start serve "$binaries/runlet-serve" 0
  url[serve]=${line##* }$invoke
  peers+=(serve)
fi
if command -v nginx >/dev/null; then
  cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; client_body_temp_path $work/body;
  proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi; uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
  server { listen 127.0.0.1:18099; location / { default_type application/json; return 200 '"$(printf 'x%.0s' {1..98})"'; } } }
CONF
  nginx -c "$work/nginx.conf" -p "$work" 2>/dev/null &
  pids+=($!)
  url[nginx]=http://127.0.0.1:18099/
  peers+=(nginx)
  sleep 0.5
fi

# rate URL CONNECTIONS SECONDS
rate() { wrk -t1 -c"$2" -d"$3s" -s "$here/echo.lua" "$1" | awk '/Requests\/sec/ { print int($2) } /Non-2xx/ { print "errors" > "/dev/stderr" }'; }

for connections in 1 16; do
  declare -A best=()
  for _ in $(seq "$rounds"); do
    for peer in "${peers[@]}"; do
      got=$(rate "${url[$peer]}" "$connections" "$seconds")
      [ "$got" -gt "${best[$peer]:-0}" ] && best[$peer]=$got
    done
  done
  echo "100-byte echo, $connections connections, best of $rounds x $seconds s:"
  for peer in "${peers[@]}"; do
    awk -v peer="$peer" -v got="${best[$peer]}" -v beast="${best[beast]}" \
      'BEGIN { printf "  %-8s %8d requests/s  %.2f of beast\n", peer, got, got / beast }'
  done
done

port=${url[lambda]#http://127.0.0.1:}
port=${port%%/*}
memory() { awk '/VmRSS/ { print int($2 / 1024) }' "/proc/${server[lambda]}/status"; }
before=$(memory)
start idle "$binaries/http_crowd" "$port" 10000 idle
echo "10,000 idle connections: $line, the process has $(memory) MB (before: $before MB)"
kill "$pid" && wait "$pid" 2>/dev/null || true

healthy=0 crowded=0
for round in $(seq "$rounds"); do
  got=$(rate "${url[lambda]}" 16 "$seconds")
  [ "$got" -gt "$healthy" ] && healthy=$got
  start "slow$round" "$binaries/http_crowd" "$port" 1000 slow
  got=$(rate "${url[lambda]}" 16 "$seconds")
  [ "$got" -gt "$crowded" ] && crowded=$got
  kill "$pid" && wait "$pid" 2>/dev/null || true
done
awk -v alone="$healthy" -v crowded="$crowded" \
  'BEGIN { printf "with 1,000 slow clients: %d requests/s, without: %d: %.2f\n", crowded, alone, crowded / alone }'

echo "a handler that streams at once and ends after 1 s: $("$binaries/http_crowd" "$port" 1 first-byte </dev/null)"
