#include "runlet/observe/metrics.h"

#include <algorithm>
#include <cmath>

namespace runlet {

std::int64_t DurationHistogram::UpperBound(std::size_t bucket) {
  if (bucket < 4) return static_cast<std::int64_t>(bucket);
  const std::size_t power = bucket / 4 + 1;
  const std::size_t quarter = bucket % 4;
  if (quarter == 3) return (std::int64_t{1} << (power + 1)) - 1;
  return static_cast<std::int64_t>((kQuarters[quarter + 1] - 1) >> (63 - power));
}

std::uint64_t DurationHistogram::count() const {
  std::uint64_t total = 0;
  for (const std::uint64_t n : counts_) total += n;
  return total;
}

absl::Duration DurationHistogram::Percentile(double quantile) const {
  const std::uint64_t total = count();
  if (total == 0) return absl::ZeroDuration();
  // Less the error of the product, which would ask for one more: 0.07 * 100 is a little over 7.
  const double place = std::clamp(quantile, 0.0, 1.0) * static_cast<double>(total) * (1 - 1e-12);
  const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(place)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= rank) return absl::Nanoseconds(UpperBound(i));
  }
  return absl::Nanoseconds(UpperBound(kBuckets - 1));
}

}  // namespace runlet
