// Notices, in real time, that a simulation has stopped moving.
#ifndef RUNLET_SRC_TESTING_WATCHDOG_H_
#define RUNLET_SRC_TESTING_WATCHDOG_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "runlet/base/sync.h"

namespace runlet::testing {

// Between Begin() and End() a step has to follow within `limit_ns`; if none does, `report` is called once for that
// step, on a thread of the watchdog's own. Thread-compatible but for that thread.
class Watchdog {
 public:
  // `function`: whose handler began last in that step; empty for none.
  using Report = std::function<void(std::string_view function, std::uint64_t step)>;
  // `limit_ns` 0: never reports, and makes no thread.
  Watchdog(std::int64_t limit_ns, Report report) : limit_ns_(limit_ns), report_(std::move(report)) {}
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void Begin() RUNLET_EXCLUDES(mu_);
  void End() RUNLET_EXCLUDES(mu_);
  void NextStep() RUNLET_EXCLUDES(mu_);
  void HandlerBegins(std::string_view function) RUNLET_EXCLUDES(mu_);

 private:
  void Watch() RUNLET_EXCLUDES(mu_);

  const std::int64_t limit_ns_;
  const Report report_;
  Mutex mu_;
  CondVar ended_;
  int depth_ RUNLET_GUARDED_BY(mu_) = 0;
  std::uint64_t step_ RUNLET_GUARDED_BY(mu_) = 0;
  std::string function_ RUNLET_GUARDED_BY(mu_);
  bool over_ RUNLET_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace runlet::testing

#endif  // RUNLET_SRC_TESTING_WATCHDOG_H_
