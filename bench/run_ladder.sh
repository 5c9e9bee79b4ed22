#!/bin/sh
# Prints what invocations cost, from a release build: bench/run_ladder.sh [build/release] [repetitions]
# Rows of a binary are measured in turns, so that what else the machine does hits all of them. A row shows nanoseconds
# per item (median and best of the repetitions) and the ratio of the medians and of the bests to the first row of its
# group.
set -eu
build=${1:-build/release}
repetitions=${2:-9}
for binary in engine_bench testing_bench; do
  bench=$build/bin/$binary
  [ -x "$bench" ] || { echo "run_ladder.sh: no $bench: build the preset 'release' first" >&2; exit 1; }
  {
    "$bench" --benchmark_list_tests | sed 's/^/order,/'
    "$bench" --benchmark_min_time=0.1 --benchmark_repetitions="$repetitions" \
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
      for (i = 1; i <= NF; i++) { if ($i == "items_per_second") items = i; if ($i == "label") label = i }
      next
    }
    {
      name = $1
      gsub(/"/, "", name)
      if (!items || name ~ /_(mean|median|stddev|cv)$/ || $items <= 0) next
      value[name, ++count[name]] = 1e9 / $items
      told[name] = $label
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
          printf "\n%-46s %11s %11s %8s %8s\n", group, "median ns", "best ns", "ratio", "of best"
          base_median = median
          base_best = v[1]
          last = group
        }
        row = name
        sub(/^[^\/]*\//, "", row)
        sub(/\/real_time/, "", row)
        gsub(/"/, "", told[name])
        printf "  %-44s %11.1f %11.1f %8.2f %8.2f  %s\n", row, median, v[1], median / base_median, v[1] / base_best,
               told[name]
      }
    }'
done
