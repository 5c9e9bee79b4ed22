// An order and its event, stored together: the row of the shop and the event that ships it are in one file, and commit
// in one transaction. Nobody is sold what nobody ships, and nothing is shipped that nobody has bought.
#include <fmt/format.h>
#include <runlet/durable/queue.h>
#include <runlet/runlet.h>
#include <sqlite3.h>

#include <atomic>
#include <memory>
#include <string>

#include "expect.h"

namespace {

inline constexpr runlet::Function<std::int64_t> kShip{"ship-order"};

// One row of the shop's own table, and its event.
absl::Status Sell(runlet::durable::Queue& queue, runlet::Engine& engine, std::int64_t order, const std::string& what) {
  return queue.Transaction([&](sqlite3* db) -> absl::Status {
    const std::string sql = fmt::format("INSERT INTO shop_order(id, what) VALUES ({}, '{}')", order, what);
    if (absl::Status row = runlet::durable::Execute(db, sql); !row.ok()) return row;
    return engine.Post(kShip, order).status();
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "orders.db";
  // Everything that a power cut must not undo is on the disk before a call returns; see durable::Options.
  absl::StatusOr<std::shared_ptr<runlet::durable::Queue>> queue = runlet::durable::Open(path);
  ExpectOk(queue.status());
  absl::StatusOr<runlet::Engine> engine = runlet::Engine::Create({.queue = *queue});
  ExpectOk(engine.status());
  std::atomic<int> shipped = 0;
  ExpectOk(engine->Register(kShip, [&](const std::int64_t& order) {
    fmt::print("order {} is shipped\n", order);
    ++shipped;
  }));
  ExpectOk((*queue)->Transaction([](sqlite3* db) {
    return runlet::durable::Execute(
        db, "DROP TABLE IF EXISTS shop_order; CREATE TABLE shop_order(id INTEGER PRIMARY KEY, what TEXT)");
  }));

  ExpectOk(Sell(**queue, *engine, 17, "book"));
  ExpectOk(Sell(**queue, *engine, 18, "lamp"));
  // The row is refused, so its event never was.
  const absl::Status twice = Sell(**queue, *engine, 17, "another book");
  Expect(!twice.ok(), "an order cannot be sold twice");
  fmt::print("order 17 once more: {}\n", std::string(twice.message()));

  ExpectOk(engine->WaitIdle());
  Expect(shipped == 2, "what was sold is shipped, and nothing else");
  return 0;
}
