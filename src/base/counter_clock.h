// Time by counting the ticks of a processor's counter.
#ifndef RUNLET_SRC_BASE_COUNTER_CLOCK_H_
#define RUNLET_SRC_BASE_COUNTER_CLOCK_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "runlet/base/time.h"

namespace runlet {

// Tells the time of a slow clock by a fast counter, whose rate is learned on the way and may drift. Thread-safe; nobody
// ever waits for anybody.
//
// `Source` has  std::uint64_t Ticks() const         the counter: quick, and may run early (before earlier instructions)
//               std::uint64_t OrderedTicks() const  the counter, read between the instructions before and after it
//               std::int64_t Ns() const             the clock whose scale this one keeps: never goes back
//
// How it works. Time is a line through a pair (ticks, ns), for `length` ticks at most. Who finds the line at its end
// takes a new pair and publishes the next line; who finds somebody at it reads the slow clock meanwhile. The rate is
// what the last pairs showed, and no line is drawn until two intervals in a row showed the same: a counter that stops,
// jumps or changes its pace (the machine slept, or moved to another host) just means the slow clock for a while.
//
// Why it never goes back. A line starts no lower than the end of the line before it, and a little ahead of the slow
// clock, by more than it can lose on it while a reader of that clock is on its way. If it had to start further ahead it
// runs so much slower that it is not at its end; so the two scales stay together.
template <typename Source>
class CounterClock {
 public:
  constexpr explicit CounterClock(Source source = {}) : source_(source) {}
  CounterClock(const CounterClock&) = delete;
  CounterClock& operator=(const CounterClock&) = delete;

  std::int64_t Now() {
    const std::uint32_t version = version_.load(std::memory_order_acquire);
    const Line& line = lines_[version & 1];
    // Acquired so that the second look at the version comes after them.
    const std::int64_t ns = line.ns.load(std::memory_order_acquire);
    const std::uint64_t rate = line.rate.load(std::memory_order_acquire);
    const std::uint64_t length = line.length.load(std::memory_order_acquire);
    const std::uint64_t elapsed = source_.Ticks() - line.ticks.load(std::memory_order_acquire);
    if (elapsed < length && version_.load(std::memory_order_relaxed) == version) [[likely]] {
      return ns + Scaled(elapsed, rate);
    }
    return NowOffTheLine();
  }

  // True when the counter tells the time; for tests.
  bool counting() const {
    return lines_[version_.load(std::memory_order_acquire) & 1].length.load(std::memory_order_relaxed) != 0;
  }

 private:
  // The first lines are short, because so is the interval that gave the rate.
  static constexpr std::int64_t kShortestNs = 10'000'000;
  static constexpr std::int64_t kLongestNs = 1'000'000'000;
  static constexpr std::int64_t kLeadNs = 100;
  static constexpr int kFraction = 32;    // a rate is nanoseconds per tick, with 32 binary digits of fraction
  static constexpr int kSteadyBits = 10;  // rates that differ by less than 2^-10 are the same: NTP steers by 2^-11
  static constexpr int kSlowestBits = 3;  // a line never runs slower than by 2^-3

  struct Pair {
    std::uint64_t ticks = 0;
    std::int64_t ns = 0;
  };
  struct Line {
    std::atomic<std::int64_t> ns{0};  // no time above this has been told before the line
    std::atomic<std::uint64_t> rate{0};
    std::atomic<std::uint64_t> length{0};  // 0: there is no line
    std::atomic<std::uint64_t> ticks{0};
  };
  __extension__ using Uint128 = unsigned __int128;

  static std::int64_t Scaled(std::uint64_t ticks, std::uint64_t rate) {
    return static_cast<std::int64_t>((ticks * rate) >> kFraction);  // fits: a line is at most a second, 2^30 ns, long
  }

  static std::uint64_t Ratio(std::int64_t ns, std::uint64_t divisor) {
    return static_cast<std::uint64_t>((Uint128{static_cast<std::uint64_t>(ns)} << kFraction) / divisor);
  }
  // 0 if it is none that one could count with: of a counter below 1 MHz or above 1 THz, or of one that did not advance.
  static std::uint64_t RateBetween(Pair a, Pair b) {
    if (b.ticks <= a.ticks || b.ns <= a.ns) return 0;
    const std::uint64_t rate = Ratio(b.ns - a.ns, b.ticks - a.ticks);
    return rate >> (kFraction - 10) != 0 && rate >> (kFraction + 10) == 0 ? rate : 0;
  }

  // Out of line, so that Now() saves no registers for it.
  [[gnu::noinline, gnu::cold]] std::int64_t NowOffTheLine();
  Pair TakePair() const;
  void Learn();
  void Publish(std::int64_t ns, std::uint64_t rate, std::uint64_t length, std::uint64_t ticks);

  Source source_;
  // Two lines, of which version_ tells the current one: a reader has the time of a whole line to finish with the other.
  alignas(64) std::atomic<std::uint32_t> version_{0};
  Line lines_[2];

  alignas(64) std::atomic<bool> learning_{false};  // guards what follows
  std::atomic<std::int64_t> learn_at_{0};          // while there is no line: when the next pair is worth taking
  Pair last_;
  std::uint64_t last_rate_ = 0;
  std::int64_t line_ns_ = kShortestNs;
};

template <typename Source>
std::int64_t CounterClock<Source>::NowOffTheLine() {
  for (;;) {
    const std::uint32_t version = version_.load(std::memory_order_acquire);
    const Line& line = lines_[version & 1];
    const std::int64_t ns = line.ns.load(std::memory_order_acquire);
    const std::uint64_t rate = line.rate.load(std::memory_order_acquire);
    const std::uint64_t length = line.length.load(std::memory_order_acquire);
    const std::uint64_t elapsed = source_.Ticks() - line.ticks.load(std::memory_order_acquire);
    const std::int64_t steady = source_.Ns();
    if (version_.load(std::memory_order_acquire) != version) continue;

    if (length != 0) {
      if (elapsed < length) return ns + Scaled(elapsed, rate);
      // The counter was read a little before the line was drawn.
      if (elapsed > 0 - length) return ns;
    }
    const bool worth = length != 0 || steady >= learn_at_.load(std::memory_order_relaxed);
    if (worth && !learning_.exchange(true, std::memory_order_acquire)) {
      if (version_.load(std::memory_order_relaxed) == version) Learn();
      learning_.store(false, std::memory_order_release);
      continue;
    }
    return std::max(steady, ns + Scaled(length, rate));
  }
}

template <typename Source>
typename CounterClock<Source>::Pair CounterClock<Source>::TakePair() const {
  // The tightest of a few: an interrupt may come in between.
  Pair best;
  std::uint64_t tightest = ~std::uint64_t{0};
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t before = source_.OrderedTicks();
    const std::int64_t ns = source_.Ns();
    const std::uint64_t width = source_.OrderedTicks() - before;
    if (width < tightest) {
      tightest = width;
      best = {before, ns};
    }
  }
  return best;
}

template <typename Source>
void CounterClock<Source>::Learn() {
  const Line& line = lines_[version_.load(std::memory_order_relaxed) & 1];
  const std::int64_t told =
      line.ns.load(std::memory_order_relaxed) +
      Scaled(line.length.load(std::memory_order_relaxed), line.rate.load(std::memory_order_relaxed));
  const Pair now = TakePair();
  const Pair last = std::exchange(last_, now);

  const std::uint64_t rate = RateBetween(last, now);
  const std::uint64_t last_rate = std::exchange(last_rate_, rate);
  const std::uint64_t change = rate > last_rate ? rate - last_rate : last_rate - rate;
  const std::int64_t start = std::max(now.ns + kLeadNs, told);
  const std::int64_t ahead = start - kLeadNs - now.ns;
  const bool steady = rate != 0 && change <= last_rate >> kSteadyBits && ahead <= line_ns_ >> kSlowestBits;
  if (!steady) {
    line_ns_ = kShortestNs;
    learn_at_.store(now.ns + kShortestNs, std::memory_order_relaxed);
    Publish(told, 0, 0, 0);
    return;
  }
  const std::uint64_t length = Ratio(line_ns_, rate);
  const std::uint64_t slower = Ratio(ahead, length);
  Publish(start, rate - slower, length, now.ticks);
  line_ns_ = std::min(2 * line_ns_, kLongestNs);
}

template <typename Source>
void CounterClock<Source>::Publish(std::int64_t ns, std::uint64_t rate, std::uint64_t length, std::uint64_t ticks) {
  const std::uint32_t version = version_.load(std::memory_order_relaxed) + 1;
  Line& line = lines_[version & 1];
  // Released: whoever still reads the last but one line and sees one of these also sees that the version has changed.
  line.ns.store(ns, std::memory_order_release);
  line.rate.store(rate, std::memory_order_release);
  line.length.store(length, std::memory_order_release);
  line.ticks.store(ticks, std::memory_order_release);
  version_.store(version, std::memory_order_release);
}

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_COUNTER_CLOCK_H_
