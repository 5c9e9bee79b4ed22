// The census of a folder: posts one event for each file below it, counts what is in the files, and shows what became of
// every event. A few spoiled files of its own go the way of all failures: retries, then the dead-letter queue; one is
// mended at the end and redriven. With --durable FILE the events are in that file: a census that was killed and is
// started again counts what is left.
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <runlet/runlet.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <clocale>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <vector>

#include "folder.h"
#if defined(CENSUS_DURABLE)
#include "census_book.h"
#endif

namespace {

constexpr std::string_view kUsage =
    "usage: file_census [--durable FILE] [folder]\n"
    "\n"
    "Counts lines, words and bytes of every file below the folder (default: the current one), one event for each.\n"
    "Folders named .git or build are not entered, and symbolic links are not followed.\n"
    "With --durable the events are in FILE, and the census goes on there when it was killed and is started again.\n"
    "Exit status: 0, 1 when something was lost or miscounted, 2 when there is no such folder.\n";

// ---- the contracts: what is posted and called ----

struct File {
  std::string path;
};
struct FileCount {
  std::uint64_t lines = 0, words = 0, bytes = 0;
  std::uint32_t crc32 = 0;
};
inline constexpr runlet::Function<File, FileCount> kCountFile{"count-file"};

}  // namespace

// A file's path is what leaves the process, where events are stored.
template <>
struct runlet::Codec<File> {
  static absl::StatusOr<std::string> Encode(const File& file) { return file.path; }
  static absl::StatusOr<File> Decode(std::string_view bytes) { return File{std::string(bytes)}; }
};

namespace {

struct Nothing {};
struct Summary {
  std::uint64_t files = 0;
  FileCount total;  // crc32: of all files, by exclusive or, so that their order does not matter
  std::string largest;
  std::uint64_t largest_bytes = 0;
};
inline constexpr runlet::Function<Nothing, Summary> kSummary{"summary"};

constexpr absl::Duration kRetryWait = absl::Milliseconds(200);
constexpr std::string_view kPoison = "runlet-poison";  // a file that begins so cannot be counted

// ---- the handlers ----

// All results. An attempt that overran its deadline may still end while the next one runs, and then a file is counted
// twice: results are told apart by path, so that the second one changes nothing. Thread-safe.
class Results {
 public:
  void Add(const std::string& path, const FileCount& count) {
    const std::lock_guard lock(mu_);
    if (!paths_.insert(path).second) return;
    ++summary_.files;
    summary_.total.lines += count.lines;
    summary_.total.words += count.words;
    summary_.total.bytes += count.bytes;
    summary_.total.crc32 ^= count.crc32;
    if (count.bytes > summary_.largest_bytes || summary_.largest.empty()) {
      summary_.largest = path;
      summary_.largest_bytes = count.bytes;
    }
  }
  bool Has(const std::string& path) const {
    const std::lock_guard lock(mu_);
    return paths_.contains(path);
  }
  Summary summary() const {
    const std::lock_guard lock(mu_);
    return summary_;
  }

 private:
  mutable std::mutex mu_;
  std::unordered_set<std::string> paths_;
  Summary summary_;
};

void CountChunk(std::string_view chunk, bool& in_word, FileCount& count) {
  for (const char c : chunk) {
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    count.lines += c == '\n' ? 1 : 0;
    count.words += in_word || space ? 0 : 1;
    in_word = !space;
  }
  count.bytes += chunk.size();
  count.crc32 = static_cast<std::uint32_t>(
      crc32(count.crc32, reinterpret_cast<const Bytef*>(chunk.data()), static_cast<uInt>(chunk.size())));
}

absl::StatusOr<FileCount> CountFile(const File& event, runlet::Context& context) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(event.path.c_str(), "rbe"), &std::fclose);
  // May be there, or readable, at the next attempt.
  if (file == nullptr) return absl::ErrnoToStatus(errno, "open");

  FileCount count;
  bool in_word = false;
  std::array<char, 65536> buffer;
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    // Nobody waits for the result any more: a huge file, or a slow disk.
    if (context.stop_requested()) return absl::CancelledError("stopped while reading");
    const std::string_view chunk(buffer.data(), size);
    if (count.bytes == 0 && chunk.starts_with(kPoison)) return absl::DataLossError("the file is poisoned");
    CountChunk(chunk, in_word, count);
  }
  if (std::ferror(file.get()) == 0) return count;
  const absl::Status failed = absl::ErrnoToStatus(errno, "read");
  return errno == EISDIR ? runlet::Permanent(failed) : failed;  // no retry makes a file of a folder
}

absl::Status RegisterAll(runlet::Engine& engine, Results& results) {
  absl::Status counter = engine.Register(
      kCountFile,
      [&results](const File& file, runlet::Context& context) {
        absl::StatusOr<FileCount> count = CountFile(file, context);
        if (count.ok()) results.Add(file.path, *count);
        return count;
      },
      {.timeout = absl::Minutes(1),
       .reserved_concurrency = 4,
       .event_invoke = {.maximum_retry_attempts = 2, .retry_policy = runlet::RetryPolicy::Fixed(kRetryWait)}});
  if (!counter.ok()) return counter;
  // Short and never blocked: it needs no thread of its own.
  return engine.Register(kSummary, [&results] { return results.summary(); }, {.run_on = runlet::RunOn::kCaller});
}

// ---- posting ----

// Calls the summary function while events are counted, ten times a second; shows it on a terminal only.
class Progress {
 public:
  explicit Progress(runlet::Engine& engine) : engine_(engine) {}
  ~Progress() {
    if (terminal_) fmt::print(stderr, "\r\x1b[K");
  }
  void Show() {
    if (absl::Now() < next_) return;
    next_ = absl::Now() + absl::Milliseconds(100);
    const absl::StatusOr<Summary> so_far = engine_.Invoke(kSummary, {});
    if (!terminal_ || !so_far.ok()) return;
    fmt::print(stderr, "\r\x1b[K{} files, {} MB; the largest has {} bytes", so_far->files,
               so_far->total.bytes / 1'000'000, so_far->largest_bytes);
  }

 private:
  runlet::Engine& engine_;
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  absl::Time next_ = absl::InfinitePast();
};

// Waits for room while the queue is full. Any other refusal ends the census.
runlet::RequestId PostFile(runlet::Engine& engine, const std::string& path, Progress& progress) {
  for (;;) {
    progress.Show();
    const absl::StatusOr<runlet::RequestId> id = engine.Post(kCountFile, {path});
    if (id.ok()) return *id;
    if (runlet::Reason(id.status()) != runlet::reason::kEventQueueFull) {
      fmt::print(stderr, "file_census: {}: {}\n", Shown(path), id.status().ToString());
      std::exit(1);
    }
    engine.WaitIdle(absl::Milliseconds(5)).IgnoreError();  // some room is enough
  }
}

// ---- reporting ----

void PrintCounts(const Walk& walk, const Summary& all) {
  fmt::print(
      "posted {} files and 3 spoiled ones; not entered {} folders named .git or build; not posted {} links and "
      "devices; unreadable {} folders\n",
      walk.files, walk.skipped, walk.others, walk.unreadable);
  fmt::print(
      "counted {} files: {} lines, {} words, {} bytes, crc-32 {:08x} (exclusive or); the largest: {} ({} bytes)\n",
      all.files, all.total.lines, all.total.words, all.total.bytes, all.total.crc32, Shown(all.largest),
      all.largest_bytes);
}

void PrintTable(const runlet::Engine& engine) {
  const auto text = [](absl::Duration d) { return absl::FormatDuration(absl::Trunc(d, absl::Nanoseconds(100))); };
  fmt::print("\n{:<12}{:>12}{:>9}{:>8}{:>12}{:>12}{:>6}\n", "function", "invocations", "retries", "errors", "p50",
             "p99", "dead");
  for (const std::string_view name : {kCountFile.name(), kSummary.name()}) {
    const runlet::FunctionMetrics m = engine.Metrics(name).value();
    fmt::print("{:<12}{:>12}{:>9}{:>8}{:>12}{:>12}{:>6}\n", name, m.invocations, m.retries, m.errors,
               text(m.durations.Percentile(0.5)), text(m.durations.Percentile(0.99)), m.async_events_dropped);
  }
}

void PrintBill(const runlet::Engine& engine) {
  const runlet::Bill bill = engine.Bill(runlet::Price::X86());
  fmt::print("\non Lambda (x86, us-east-1, without the free tier) these {} executions would have cost ${:.6f}:\n{}",
             bill.requests, bill.total(), bill.ToString());
}

void PrintDeadLetters(const runlet::DeadLetterView& letters) {
  constexpr std::size_t kShown = 20;
  fmt::print("\ndead letters: {}{}\n", letters.size(), letters.size() > kShown ? ", of which the first 20" : "");
  for (const runlet::DeadLetter& letter : letters.List({}, kShown)) {
    fmt::print("  {}: {}, attempts: {}\n", Shown(letter.As<File>()->path), runlet::ConditionName(letter.condition),
               letter.attempts);
    for (const runlet::AttemptError& e : letter.errors) {
      fmt::print("    attempt {}: {}: {}\n", e.attempt, e.error.type, e.error.message);
    }
  }
}

bool Holds(bool fact, std::string_view sentence) {
  if (!fact) fmt::print(stderr, "file_census: NOT SO: {}\n", sentence);
  return fact;
}

bool DiedOf(runlet::Condition condition, int attempts, const std::optional<runlet::DeadLetter>& letter) {
  return Holds(letter.has_value() && letter->condition == condition && letter->attempts == attempts,
               fmt::format("a spoiled file ends as {} after {} attempts", runlet::ConditionName(condition), attempts));
}

bool MendAndRedrive(runlet::Engine& engine, const SpoiledFiles& spoiled, const runlet::RequestId& id,
                    const Results& results) {
  spoiled.MendLink();
  const absl::StatusOr<runlet::RequestId> again = engine.dead_letters().Redrive(id);
  if (!Holds(again.ok(), again.status().ToString())) return false;
  if (!Holds(engine.WaitIdle().ok() && !engine.dead_letters().Get(*again).has_value() && results.Has(spoiled.link()),
             "a mended file is counted when it is redriven")) {
    return false;
  }
  fmt::print("\nmended {} and redrove it as {}: counted\n", Shown(spoiled.link()), again->ToString());
  return true;
}

// `accepted` events, one of them a redriven dead letter: nothing is lost, nothing counted twice.
bool AddsUp(runlet::Engine& engine, std::uint64_t accepted, const Results& results) {
  const runlet::FunctionMetrics m = engine.Metrics(kCountFile.name()).value();
  const std::uint64_t counted = results.summary().files;
  const std::uint64_t dead = engine.dead_letters().size();
  const bool all = Holds(m.async_events_received == accepted, "every event was accepted once") &&
                   Holds(counted + m.async_events_dropped == accepted, "every event was counted or is dead") &&
                   Holds(dead + 1 == m.async_events_dropped, "every dead event but the redriven one is kept") &&
                   Holds(m.invocations == accepted + m.retries, "every attempt was one invocation");
  if (all) fmt::print("it adds up: {} events accepted = {} counted + {} dead + 1 redriven\n", accepted, counted, dead);
  return all;
}

int TakeCensus(const std::filesystem::path& root) {
  Results results;
  // A short queue, so that a large folder fills it: posting then waits for room, and memory stays small.
  absl::StatusOr<runlet::Engine> engine =
      runlet::Engine::Create({.memory_queue = {.events = 1000, .dead_letters = 1'000'000}});
  const absl::Status ready = engine.ok() ? RegisterAll(*engine, results) : engine.status();
  if (!Holds(ready.ok(), ready.ToString())) return 1;
  fmt::print("census of {}\n", Shown(root.string()));
  fmt::print("retries wait {} here, so that you need not; by default they wait 60 s, then 120 s, as Lambda's do\n",
             absl::FormatDuration(kRetryWait));

  const SpoiledFiles spoiled(kPoison);
  runlet::RequestId link, poisoned, folder;
  Walk walk;
  {
    Progress progress(*engine);
    link = PostFile(*engine, spoiled.link(), progress);
    poisoned = PostFile(*engine, spoiled.poisoned(), progress);
    folder = PostFile(*engine, spoiled.folder(), progress);
    walk = WalkFiles(root, [&](const std::string& path) { PostFile(*engine, path, progress); });
    while (!engine->WaitIdle(absl::Milliseconds(100)).ok()) progress.Show();
  }

  PrintCounts(walk, engine->Invoke(kSummary, {}).value_or(Summary{}));
  PrintTable(*engine);
  PrintBill(*engine);
  PrintDeadLetters(engine->dead_letters());

  const runlet::DeadLetterView dead = engine->dead_letters();
  const bool good = DiedOf(runlet::Condition::kRetriesExhausted, 3, dead.Get(link)) &&
                    DiedOf(runlet::Condition::kRetriesExhausted, 3, dead.Get(poisoned)) &&
                    DiedOf(runlet::Condition::kNotRetryable, 1, dead.Get(folder));
  const std::uint64_t accepted = walk.files + 3 + 1;  // the spoiled ones, and the one that is redriven
  return good && MendAndRedrive(*engine, spoiled, link, results) && AddsUp(*engine, accepted, results) ? 0 : 1;
}

#if defined(CENSUS_DURABLE)
absl::Status CountInBook(runlet::Engine& engine, CensusBook& book) {
  return engine.Register(kCountFile,
                         [&book](const File& file, runlet::Context& context) -> absl::StatusOr<FileCount> {
                           const absl::StatusOr<FileCount> count = CountFile(file, context);
                           if (!count.ok()) return count;
                           const absl::Status kept = book.Count(file.path, count->lines, count->words, count->bytes);
                           return kept.ok() ? count : kept;
                         },
                         {.timeout = absl::Minutes(1), .reserved_concurrency = 4});
}

int TakeDurableCensus(const std::string& file, const std::filesystem::path& root) {
  constexpr std::size_t kAtOnce = 100;
  const absl::StatusOr<std::shared_ptr<runlet::durable::Queue>> queue =
      runlet::durable::Open(file, {.durability = runlet::Durability::kProcess});
  if (!Holds(queue.ok(), queue.status().ToString())) return 1;
  CensusBook book(*queue);
  absl::StatusOr<runlet::Engine> engine = runlet::Engine::Create({.queue = *queue});
  absl::Status status = engine.ok() ? book.Prepare() : engine.status();
  if (status.ok()) status = CountInBook(*engine, book);
  if (!Holds(status.ok(), status.ToString())) return 1;

  std::vector<std::string> paths;
  const auto post_all = [&] {
    status.Update(book.List(paths, [&](const std::string& path) { return engine->Post(kCountFile, {path}).status(); }));
    paths.clear();
  };
  const Walk walk = WalkFiles(root, [&](const std::string& path) {
    paths.push_back(path);
    if (paths.size() == kAtOnce) post_all();
  });
  post_all();
  status.Update(engine->WaitIdle());
  const CensusBook::Totals all = book.Read();
  const std::size_t dead = engine->dead_letters().size();
  fmt::print("{} files found, {} listed: {} counted, {} dead; {} lines, {} words, {} bytes\n", walk.files, all.listed,
             all.counted, dead, all.lines, all.words, all.bytes);
  const bool adds_up =
      Holds(status.ok(), status.ToString()) &&
      Holds(all.counted + static_cast<std::int64_t>(dead) == all.listed, "every file is counted or dead");
  return adds_up ? 0 : 1;
}
#else
int TakeDurableCensus(const std::string&, const std::filesystem::path&) {
  fmt::print(stderr, "file_census: --durable needs runlet::durable, which this build does not have\n");
  return 2;
}
#endif

}  // namespace

int main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  std::string durable;
  if (argc > 2 && std::string_view(argv[1]) == "--durable") {
    durable = argv[2];
    argc -= 2;
    argv += 2;
  }
  const std::string_view argument = argc > 1 ? argv[1] : ".";
  if (argument == "--help" || argument == "-h") {
    fmt::print("{}", kUsage);
    return 0;
  }
  if (argc > 2 || argument.starts_with('-') || argument.empty()) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  std::error_code error;
  // Also says so of a file, and of a folder that may not be read.
  if (const std::filesystem::directory_iterator readable(argument, error); error) {
    fmt::print(stderr, "file_census: {}: {}\n", Shown(std::string(argument)), error.message());
    return 2;
  }
  return durable.empty() ? TakeCensus(argument) : TakeDurableCensus(durable, argument);
}
