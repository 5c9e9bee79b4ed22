#!/bin/sh
# Prints what it costs to keep events, from a release build: bench/run_durable.sh [build/release] [repetitions]
#
# A row shows events a second (median and best of the repetitions) and the ratio of the medians to the first row of its
# group, a bare append log in the same run. Rows are measured in turns, so that what else the disk does hits all of
# them. Redis (appendfsync always) and PostgreSQL (claims with SKIP LOCKED) stand beside them where they are installed
# and the build found their clients (on Debian: redis-server, libhiredis-dev, postgresql, libpq-dev): started for this
# run in a folder of their own, on Unix sockets, and stopped after it. Everything is kept under TMPDIR (default /tmp),
# whose disk is what is measured.
set -eu
build=${1:-build/release}
repetitions=${2:-5}
bench=$build/bin/durable_bench
[ -x "$bench" ] || { echo "run_durable.sh: no $bench: build the preset 'release' first" >&2; exit 1; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/runlet-rivals-XXXXXX")
redis=
postgres=
stop_servers() {
  [ -z "$redis" ] || kill "$redis" 2>/dev/null || true
  [ -z "$postgres" ] || kill -INT "$postgres" 2>/dev/null || true
  wait
  rm -rf "$folder"
}
trap stop_servers EXIT
trap 'exit 1' HUP INT TERM

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  tries=$(($1 * 10))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}

start_redis() {
  command -v redis-server >/dev/null 2>&1 || return 0
  mkdir "$folder/redis"
  redis-server --port 0 --unixsocket "$folder/redis.sock" --dir "$folder/redis" --appendonly yes \
    --appendfsync always --save '' --loglevel warning >"$folder/redis.log" 2>&1 &
  redis=$!
  if wait_for 10 test -S "$folder/redis.sock"; then
    RUNLET_BENCH_REDIS=$folder/redis.sock
    export RUNLET_BENCH_REDIS
  else
    echo "run_durable.sh: redis-server does not start: $(tail -n 1 "$folder/redis.log")" >&2
  fi
}

# PostgreSQL refuses to run as root.
as_postgres=
[ "$(id -u)" -ne 0 ] || as_postgres='setpriv --reuid postgres --regid postgres --clear-groups'

start_postgres() {
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  [ -n "$bin" ] || return 0
  mkdir "$folder/postgres"
  chmod 711 "$folder"
  [ "$(id -u)" -ne 0 ] || chown postgres "$folder/postgres"
  (
    cd "$folder/postgres"
    # shellcheck disable=SC2086  # several words, or none
    $as_postgres "$bin/initdb" -D "$folder/postgres/data" -U runlet -A trust -E UTF8 --no-sync >initdb.log 2>&1
  ) || { echo "run_durable.sh: initdb fails: see $folder/postgres/initdb.log" >&2; return 0; }
  # The group commit of PostgreSQL as it comes; only the connections are more than the default allows.
  cd "$folder/postgres"
  # shellcheck disable=SC2086
  $as_postgres "$bin/postgres" -D "$folder/postgres/data" -k "$folder/postgres" -c listen_addresses= \
    -c max_connections=200 -c synchronous_commit=on -c fsync=on >postgres.log 2>&1 &
  postgres=$!
  cd "$OLDPWD"
  connection="host=$folder/postgres user=runlet dbname=postgres"
  if wait_for 20 "$bin/psql" "$connection" -c 'SELECT 1'; then
    RUNLET_BENCH_POSTGRESQL=$connection
    export RUNLET_BENCH_POSTGRESQL
  else
    echo "run_durable.sh: PostgreSQL does not start: $(tail -n 1 "$folder/postgres/postgres.log")" >&2
  fi
}

start_redis
start_postgres
for rival in redis postgresql; do
  "$bench" --benchmark_list_tests | grep -q "/$rival/" || echo "run_durable.sh: no rows of $rival: see the head of $0" >&2
done
export RUNLET_BENCH_FULL=1
{
  "$bench" --benchmark_list_tests | sed 's/^/order,/'
  "$bench" --benchmark_min_time=0.01 --benchmark_repetitions="$repetitions" \
    --benchmark_enable_random_interleaving=true --benchmark_format=csv 2>/dev/null
} | awk -F, '
  function sort(v, n,   i, j, x) {
    for (i = 2; i <= n; i++) {
      x = v[i]
      for (j = i - 1; j >= 1 && v[j] > x; j--) v[j + 1] = v[j]
      v[j + 1] = x
    }
  }
  $1 == "order" { order[++rows] = $2; next }
  $1 == "name" {
    for (i = 1; i <= NF; i++) {
      if ($i == "items_per_second") items = i
      if ($i == "real_time") time = i
      if ($i == "label") label = i
    }
    next
  }
  {
    name = $1
    gsub(/"/, "", name)
    if (!time || name ~ /_(mean|median|stddev|cv)$/) next
    rated[name] = items && $items > 0
    value[name, ++count[name]] = rated[name] ? $items : -$time  # the best is the largest
    told[name] = label ? $label : ""
    for (i = label + 1; label && i < NF && told[name] ~ /^"/ && told[name] !~ /"$/; i++) told[name] = told[name] "," $i
  }
  END {
    for (r = 1; r <= rows; r++) {
      name = order[r]
      n = count[name]
      if (!n) continue
      for (i = 1; i <= n; i++) v[i] = value[name, i]
      sort(v, n)
      median = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
      group = name
      sub(/\/.*/, "", group)
      if (group != last) {
        printf "\n%-40s %12s %12s %8s\n", group, "median", "best", "ratio"
        base = median
        last = group
      }
      row = name
      sub(/^[^\/]*\//, "", row)
      sub(/\/real_time/, "", row)
      gsub(/"/, "", told[name])
      if (rated[name]) {
        printf "  %-38s %10.0f/s %10.0f/s %8.2f  %s\n", row, median, v[n], median / base, told[name]
      } else {
        printf "  %-38s %9.1f ms %9.1f ms %8s  %s\n", row, -median, -v[n], "", told[name]
      }
    }
  }'
