#include <runlet/runlet.h>

#include <cstdio>
#include <string>
#include <string_view>
#ifdef CONSUMER_HAS_JSON
#include <runlet/codec/json.h>
#endif
#ifdef CONSUMER_HAS_METRICS
#include <runlet/metrics/prometheus.h>
#endif

int main() {
  runlet::Engine engine;
  absl::Status ok = engine.Register("hello", [](std::string_view event) { return "hello " + std::string(event); });
  if (!ok.ok()) return 1;
  absl::StatusOr<std::string> said = engine.Invoke("hello", "world");
  if (!said.ok()) return 2;
  std::puts(said->c_str());
#ifdef CONSUMER_HAS_METRICS
  if (runlet::PrometheusText(engine).find("runlet_invocations_total{function=\"hello\"} 1\n") == std::string::npos) {
    return 4;
  }
#endif
  return *said == "hello world" ? 0 : 3;
}
