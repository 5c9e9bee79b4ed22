#include <runlet/runlet.h>
#include <runlet/testing/simulation.h>

#include <string_view>

// An event that fails twice is tried again after one minute, then after two: three virtual minutes, no real ones.
int main() {
  int attempts = 0;
  runlet::testing::Simulation sim;
  absl::Status ok = sim.engine().Register("flaky", [&](std::string_view) -> absl::Status {
    return ++attempts < 3 ? absl::UnavailableError("not yet") : absl::OkStatus();
  });
  if (!ok.ok()) return 1;
  if (!sim.engine().Post("flaky", "{}").ok()) return 2;
  sim.RunUntilIdle();
  return attempts == 3 && sim.Elapsed() == absl::Minutes(3) ? 0 : 3;
}
