// What it costs to keep events, beside a bare append log with group commit in the same run, and beside servers where
// bench/run_durable.sh has started some. An item is an event; the first row of a group is what the others are compared
// with: a log with a thread that writes. (append_log_led has none: who finds nobody writing writes for all.) Files
// stand in the folder for temporary files (TMPDIR): its disk decides every figure, so that ratios carry and rates do
// not.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/durable/append_log.h"
#include "bench/durable/rivals.h"
#include "runlet/durable/queue.h"
#include "runlet/runlet.h"

namespace runlet::bench {
namespace {

class Folder {
 public:
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/runlet-bench-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string File(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Whether a person waits for figures.
bool Full() {
  static const bool full = std::getenv("RUNLET_BENCH_FULL") != nullptr;
  return full;
}

struct Load {
  Durability durability;
  int producers;
  std::size_t payload;

  bool synced() const { return durability == Durability::kMachine; }
  // Enough for some tenths of a second, on a disk that syncs in 0.2 ms; a few only to see that all works.
  int PerProducer() const {
    const int events = payload > 1000 ? 1000 : synced() ? 400 * producers : 40'000;
    return std::max(1, events / producers / (Full() ? 1 : 10));
  }
  std::string Group() const {
    return fmt::format("{}_{}_{}_producers", synced() ? "machine" : "process",
                       payload < 1024 ? fmt::format("{}B", payload) : fmt::format("{}KB", payload / 1024), producers);
  }
};

// Lets `load.producers` threads do `one` in a closed loop; `end` is waited for before the clock stops.
void Produce(benchmark::State& state, const Load& load, const std::function<void(int producer)>& one,
             const std::function<void()>& end = nullptr) {
  for (auto _ : state) {
    std::vector<std::thread> producers;
    for (int p = 0; p < load.producers; ++p) {
      producers.emplace_back([&, p] {
        for (int i = load.PerProducer(); i > 0; --i) one(p);
      });
    }
    for (std::thread& producer : producers) producer.join();
    if (end) end();
  }
  state.SetItemsProcessed(state.iterations() * load.producers * load.PerProducer());
}

template <typename Log>
void AppendToLog(benchmark::State& state, const Load& load) {
  const Folder folder;
  Log log(folder.File("log"), load.synced());
  const std::string payload(load.payload, 'x');
  Produce(state, load, [&](int) { log.Append(payload); });
}

std::shared_ptr<durable::Queue> OpenQueue(const Folder& folder, const Load& load) {
  absl::StatusOr<std::shared_ptr<durable::Queue>> queue =
      durable::Open(folder.File("queue.db"), {.durability = load.durability, .events = 10'000'000});
  if (!queue.ok()) {
    fmt::print(stderr, "{}\n", queue.status().ToString());
    std::abort();
  }
  return *std::move(queue);
}

EventRef NewEvent(const FunctionIdentity& function, std::string payload, std::uint64_t n, Instant now) {
  const std::size_t bytes = payload.size();
  EventRef event = Event::Make(TypeOf<std::string>(), &payload);
  event->id = RequestId::FromBits(n, n);
  event->function = &function;
  event->codec = CodecOf<std::string>();
  event->accepted = now;
  event->payload_bytes = bytes;
  return event;
}

class NobodyListens final : public QueueListener {
 public:
  void OnReady(const FunctionIdentity&) override {}
  void OnDue(Instant) override {}
};

void Put(benchmark::State& state, const Load& load) {
  const Folder folder;
  const std::shared_ptr<durable::Queue> queue = OpenQueue(folder, load);
  NobodyListens listener;
  queue->Attach(&listener);
  const FunctionIdentity function{"work", 0};
  std::atomic<std::uint64_t> n{1};
  Produce(state, load, [&](int) {
    const Instant now = SystemClock().Now();
    EventRef event = NewEvent(function, std::string(load.payload, 'x'), n.fetch_add(1), now);
    if (!queue->Put({&event, 1}, now).ok()) std::abort();
  });
  queue->Attach(nullptr);
}

// Post, claim, run an empty function, settle.
void EndToEnd(benchmark::State& state, const Load& load) {
  const Folder folder;
  absl::StatusOr<Engine> engine = Engine::Create({.queue = OpenQueue(folder, load)});
  if (!engine.ok() || !engine->Register("work", [](std::string_view) {}).ok()) std::abort();
  const std::string payload(load.payload, 'x');
  Produce(
      state, load,
      [&](int) {
        if (!engine->Post("work", payload).ok()) std::abort();
      },
      [&] {
        if (!engine->WaitIdle().ok()) std::abort();
      });
}

// With `ends`, four consumers take the events meanwhile, and the clock runs until all have ended.
void Rival(benchmark::State& state, const Load& load, const RivalMaker& make, bool ends) {
  constexpr int kConsumers = 4;
  std::vector<std::unique_ptr<bench::Rival>> connections;
  for (int p = 0; p < load.producers + (ends ? kConsumers : 0); ++p) connections.push_back(make());
  const std::string payload(load.payload, 'x');
  std::atomic<std::int64_t> accepted{0};
  std::atomic<std::int64_t> ended{0};
  std::atomic<bool> stopped{false};
  std::vector<std::thread> consumers;
  for (std::size_t c = static_cast<std::size_t>(load.producers); c < connections.size(); ++c) {
    consumers.emplace_back([&, c] {
      while (!stopped.load()) {
        if (connections[c]->ClaimAndEnd()) {
          ended.fetch_add(1);
        } else {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      }
    });
  }
  const auto put = [&](int producer) {
    connections[static_cast<std::size_t>(producer)]->Put(payload);
    accepted.fetch_add(1);
  };
  Produce(state, load, put, [&] {
    while (ends && ended.load() < accepted.load()) std::this_thread::yield();
  });
  stopped.store(true);
  for (std::thread& consumer : consumers) consumer.join();
  connections.front()->Clear();
}

// One append and one sync at a time: what the disk can do.
void Probe(benchmark::State& state) {
  const Folder folder;
  const int file = open(folder.File("probe").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const std::string record(256, 'x');
  std::vector<double> times;
  for (auto _ : state) {
    for (int i = 0; i < 400; ++i) {
      const auto start = std::chrono::steady_clock::now();
      if (write(file, record.data(), record.size()) < 0 || fdatasync(file) != 0) std::abort();
      times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
  }
  close(file);
  std::sort(times.begin(), times.end());
  state.SetItemsProcessed(static_cast<std::int64_t>(times.size()));
  state.SetLabel(fmt::format("p50 {:.2f} ms, p99 {:.2f} ms", times[times.size() / 2], times[times.size() * 99 / 100]));
}

// Opens a file in which `range` events of 256 bytes wait, after it was closed in order.
void OpenFull(benchmark::State& state) {
  constexpr std::size_t kBatch = 1000;
  const Folder folder;
  const Load load{Durability::kProcess, 1, 256};
  {
    const std::shared_ptr<durable::Queue> queue = OpenQueue(folder, load);
    const FunctionIdentity function{"work", 0};
    NobodyListens listener;
    queue->Attach(&listener);
    const auto events = static_cast<std::uint64_t>(state.range(0));
    for (std::uint64_t n = 0; n < events; n += kBatch) {
      std::vector<EventRef> batch;
      for (std::uint64_t i = 0; i < kBatch; ++i) {
        batch.push_back(NewEvent(function, std::string(load.payload, 'x'), n + i + 1, SystemClock().Now()));
      }
      if (!queue->Put(batch, SystemClock().Now()).ok()) std::abort();
    }
    queue->Attach(nullptr);
  }
  const auto bytes = static_cast<double>(std::filesystem::file_size(folder.File("queue.db")));
  for (auto _ : state) {
    std::shared_ptr<durable::Queue> queue = OpenQueue(folder, load);
    state.PauseTiming();
    queue.reset();
    state.ResumeTiming();
  }
  state.SetLabel(fmt::format("{:.0f} bytes on disk for each", bytes / static_cast<double>(state.range(0))));
}

void Register(const std::string& name, std::function<void(benchmark::State&)> run) {
  benchmark::RegisterBenchmark(name.c_str(), std::move(run))->UseRealTime()->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  Register("disk/append_256B_and_fdatasync", Probe);
  const std::vector<std::pair<std::string, RivalMaker>> rivals = Rivals();
  std::vector<Load> loads;
  for (const int producers : {1, 8, 64}) loads.push_back({Durability::kMachine, producers, 256});
  for (const int producers : {1, 8, 64}) loads.push_back({Durability::kProcess, producers, 256});
  for (const int producers : {1, 8, 64}) loads.push_back({Durability::kMachine, producers, 65'536});
  for (const Load& load : loads) {
    const std::string group = load.Group() + "/";
    Register(group + "append_log", [load](benchmark::State& state) { AppendToLog<WriterLog>(state, load); });
    Register(group + "append_log_led", [load](benchmark::State& state) { AppendToLog<LedLog>(state, load); });
    Register(group + "put", [load](benchmark::State& state) { Put(state, load); });
    Register(group + "end_to_end", [load](benchmark::State& state) { EndToEnd(state, load); });
    if (!load.synced() || load.payload != 256) continue;
    for (const auto& [name, make] : rivals) {
      Register(group + name, [load, make = make](benchmark::State& state) { Rival(state, load, make, false); });
      Register(group + name + "_end_to_end",
               [load, make = make](benchmark::State& state) { Rival(state, load, make, true); });
    }
  }
  benchmark::RegisterBenchmark("queued/open_after_clean_close", OpenFull)
      ->Arg(Full() ? 1'000'000 : 20'000)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace runlet::bench
