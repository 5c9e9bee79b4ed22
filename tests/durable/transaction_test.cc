// The host's statements and its posts, together.
#include <sqlite3.h>

#include <string>
#include <vector>

#include "tests/durable/host.h"

namespace runlet::durable_test {
namespace {

constexpr char kTable[] = "CREATE TABLE IF NOT EXISTS sale(id INTEGER PRIMARY KEY)";

int Count(durable::Queue& queue, const std::string& sql) {
  int count = -1;
  REQUIRE(queue
              .Transaction([&](sqlite3* db) {
                sqlite3_stmt* statement = nullptr;
                sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr);
                if (sqlite3_step(statement) == SQLITE_ROW) count = sqlite3_column_int(statement, 0);
                sqlite3_finalize(statement);
                return absl::OkStatus();
              })
              .ok());
  return count;
}

struct Shop : Host {
  explicit Shop(const std::string& path) : Host(path) {
    REQUIRE(engine().Register("ship", [this](std::string_view event) { shipped.emplace_back(event); }).ok());
    REQUIRE(queue().Transaction([](sqlite3* db) { return durable::Execute(db, kTable); }).ok());
  }
  // A row and its event; then `more`.
  template <typename F>
  absl::Status Sell(int id, F more) {
    return queue().Transaction([&](sqlite3* db) -> absl::Status {
      const std::string number = std::to_string(id);
      if (absl::Status row = durable::Execute(db, "INSERT INTO sale VALUES (" + number + ")"); !row.ok()) return row;
      if (absl::Status posted = engine().Post("ship", number).status(); !posted.ok()) return posted;
      return more();
    });
  }
  absl::Status Sell(int id) {
    return Sell(id, [] { return absl::OkStatus(); });
  }
  std::vector<std::string> shipped;
};

TEST_CASE("a row and its event are stored together") {
  Shop shop(FreshFile("both"));
  REQUIRE(shop.Sell(17).ok());
  CHECK(shop.shipped.empty());
  shop.sim().RunUntilIdle();
  CHECK(shop.shipped == std::vector<std::string>{"17"});
  CHECK(Count(shop.queue(), "SELECT count(*) FROM sale") == 1);
}

TEST_CASE("when the work fails, neither the row nor the event was ever there") {
  Shop shop(FreshFile("neither"));
  SECTION("by a status") {
    const absl::Status failed = shop.Sell(17, [] { return absl::AbortedError("no stock"); });
    CHECK(failed == absl::AbortedError("no stock"));
  }
  SECTION("by a statement") {
    REQUIRE(shop.Sell(16).ok());
    shop.sim().RunUntilIdle();
    shop.shipped.clear();
    CHECK(shop.Sell(17, [&] { return shop.queue().path().empty() ? absl::OkStatus() : absl::InternalError("x"); }) ==
          absl::InternalError("x"));
    CHECK(shop.Sell(16).code() == absl::StatusCode::kInvalidArgument);
  }
#if defined(__cpp_exceptions)
  SECTION("by an exception, which passes on") {
    CHECK_THROWS_AS(shop.Sell(17, []() -> absl::Status { throw std::string("oh"); }).ok(), std::string);
  }
#endif
  CHECK(Count(shop.queue(), "SELECT count(*) FROM runlet_event") == 0);
  CHECK(Count(shop.queue(), "SELECT count(*) FROM sale WHERE id = 17") == 0);
  CHECK(shop.engine().queue_stats().ready == 0);
  // The next one goes through.
  REQUIRE(shop.Sell(18).ok());
  CHECK(shop.engine().queue_stats().ready == 1);
}

TEST_CASE("a post that is refused inside undoes itself alone") {
  Shop shop(FreshFile("part"));
  REQUIRE(shop.Sell(17,
                    [&] {
                      CHECK(shop.engine().Post("nobody", "x").status().code() == absl::StatusCode::kNotFound);
                      return absl::OkStatus();
                    })
              .ok());
  CHECK(shop.engine().queue_stats().ready == 1);
}

TEST_CASE("inside of a transaction only posts are possible, and it cannot be entered twice") {
  Shop shop(FreshFile("inside"));
  REQUIRE(shop.Sell(1,
                    [&] {
                      CHECK(shop.Sell(2).code() == absl::StatusCode::kFailedPrecondition);
                      CHECK(shop.engine().dead_letters().List().empty());
                      return absl::OkStatus();
                    })
              .ok());
  CHECK(shop.queue().Transaction([](sqlite3* db) { return durable::Execute(db, "COMMIT"); }).code() ==
        absl::StatusCode::kFailedPrecondition);
  shop.sim().RunUntilIdle();
  CHECK(shop.shipped.size() == 1);
}

TEST_CASE("a process that is killed inside of a transaction leaves nothing of it") {
  const std::string path = FreshFile("half");
  REQUIRE(Killed([&] {
    Shop shop(path);
    if (!shop.Sell(1).ok()) _exit(1);
    (void)shop.Sell(2, [] {
      raise(SIGKILL);
      return absl::OkStatus();
    });
  }));
  Shop shop(path);
  CHECK(Count(shop.queue(), "SELECT count(*) FROM sale") == 1);
  shop.sim().RunUntilIdle();
  CHECK(shop.shipped == std::vector<std::string>{"1"});
}

TEST_CASE("a handler's transaction and its post carry its lineage") {
  Shop shop(FreshFile("handler"));
  int runs = 0;
  REQUIRE(shop.engine()
              .Register("loop",
                        [&](std::string_view) {
                          ++runs;
                          return shop.queue().Transaction(
                              [&](sqlite3*) { return shop.engine().Post("loop", "again").status(); });
                        })
              .ok());
  REQUIRE(shop.engine().Post("loop", "go").ok());
  shop.sim().RunUntilIdle();
  CHECK(runs == 16);
}

}  // namespace
}  // namespace runlet::durable_test
