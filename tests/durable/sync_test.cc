// A disk that cannot sync any more.
#include <string>
#include <vector>

#include "runlet/event/status.h"
#include "tests/durable/fault_vfs.h"
#include "tests/durable/host.h"

namespace runlet::durable_test {
namespace {

using Operation = FaultVfs::Operation;

void FailSyncs(FaultVfs* vfs) { vfs->FailNth(Operation::kSync, 1, FaultVfs::Fault::kIoError, FaultVfs::kForEver); }

TEST_CASE(
    "after a sync that failed nobody knows of the events in it, nothing more is stored, and a new opening helps") {
  const std::string path = FreshFile("sync");
  FaultVfs vfs;
  int ran = 0;
  const auto run = [&](std::string_view) { ++ran; };
  std::size_t known = 0;
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", run).ok());
    REQUIRE(host.engine().Post("f", "safe", {.delay = absl::Seconds(1)}).ok());
    FailSyncs(&vfs);
    const absl::Status unknown = host.engine().Post("f", "who knows").status();
    CHECK(AcceptanceUnknown(unknown));
    CHECK(Reason(unknown) == reason::kQueueStorageFailed);
    vfs.Heal();
    // The disk is well again, but what it has lost meanwhile nobody can tell.
    const absl::Status refused = host.engine().Post("f", "no").status();
    CHECK(refused.code() == absl::StatusCode::kUnavailable);
    CHECK(Reason(refused) == reason::kQueueStorageFailed);
    CHECK(!AcceptanceUnknown(refused));
    CHECK(host.engine().Inspect().storage->failed);
    host.sim().AdvanceBy(absl::Seconds(10));
    CHECK(ran == 0);
    known = host.stats().accepted;
  }
  CHECK(known == 1);
  Host host(path);
  REQUIRE(host.engine().Register("f", run).ok());
  CHECK(host.engine().Post("f", "yes").ok());
  host.sim().RunUntilIdle();
  CHECK((ran == 2 || ran == 3));
}

TEST_CASE("an end that could not be synced is told to nobody, and its event runs again at most once more") {
  const std::string path = FreshFile("end");
  FaultVfs vfs;
  int ran = 0;
  {
    Host host(path);
    REQUIRE(host.engine()
                .Register("f",
                          [&](std::string_view) {
                            ++ran;
                            FailSyncs(&vfs);
                          })
                .ok());
    REQUIRE(host.engine().Post("f", "1").ok());
    host.sim().AdvanceBy(absl::Seconds(1));
    vfs.Heal();
    CHECK(ran == 1);
    CHECK(host.sim().Ledger().Count(Activity::Kind::kEnded) == 0);
    CHECK(host.stats().running == 1);
  }
  Host host(path);
  REQUIRE(host.engine().Register("f", [&](std::string_view) { ++ran; }).ok());
  host.sim().RunUntilIdle();
  CHECK(ran <= 2);
}

TEST_CASE("a post is synced once where that was promised, and not at all where it was not") {
  for (const Durability durability : {Durability::kMachine, Durability::kProcess}) {
    const FaultVfs vfs;
    Host host(FreshFile("syncs"), kStart, {.durability = durability});
    REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
    const std::uint64_t before = vfs.count(Operation::kSync);
    REQUIRE(host.engine().PostAll("f", std::vector<std::string>(100, "x")).ok());
    CHECK(vfs.count(Operation::kSync) - before == (durability == Durability::kMachine ? 1 : 0));
  }
}

}  // namespace
}  // namespace runlet::durable_test
