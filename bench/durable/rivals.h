// Servers that keep events, as far as they are built in (hiredis, libpq) and running (bench/run_durable.sh).
#ifndef RUNLET_BENCH_DURABLE_RIVALS_H_
#define RUNLET_BENCH_DURABLE_RIVALS_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace runlet::bench {

// One connection. Ends the program when the server says no.
class Rival {
 public:
  virtual ~Rival() = default;
  // Returns once the server has synced the event.
  virtual void Put(const std::string& payload) = 0;
  // Takes an event and ends it; false when there is none.
  virtual bool ClaimAndEnd() = 0;
  // Removes all events.
  virtual void Clear() = 0;
};
using RivalMaker = std::function<std::unique_ptr<Rival>()>;

// "redis" where RUNLET_BENCH_REDIS names the socket of one, "postgresql" where RUNLET_BENCH_POSTGRESQL is a connection
// string.
std::vector<std::pair<std::string, RivalMaker>> Rivals();

}  // namespace runlet::bench

#endif  // RUNLET_BENCH_DURABLE_RIVALS_H_
