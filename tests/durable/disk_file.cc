#include "tests/durable/disk_file.h"

#include <algorithm>

#include "runlet/base/random.h"

namespace runlet::durable_test {

void DiskFile::Apply(const Change& change, std::string* content) {
  const auto offset = static_cast<std::size_t>(change.offset);
  if (change.truncates) return content->resize(offset);
  content->resize(std::max(content->size(), offset + change.data.size()));
  content->replace(offset, change.data.size(), change.data);
}

bool DiskFile::Sync() {
  const bool first = !synced_;
  if (first) synced_.emplace();
  for (const Change& change : changes_) Apply(change, &*synced_);
  changes_.clear();
  return first;
}

void DiskFile::Delete() {
  if (synced_) deleted_ = std::move(synced_);
  synced_.reset();
  changes_.clear();
  exists_ = false;
}

void DiskFile::SyncFolder() {
  deleted_.reset();
  if (exists_ && !synced_) synced_.emplace();
}

std::optional<std::string> DiskFile::AfterCut(Survival survival, std::uint64_t seed) const {
  Random random(seed);
  if (!synced_ && deleted_ && (changes_.empty() || random.OneIn(2))) {
    return random.OneIn(2) ? deleted_ : std::nullopt;
  }
  std::optional<std::string> content = synced_;
  if (changes_.empty()) return content;
  if (!content && survival != Survival::kEverything && random.OneIn(2)) return std::nullopt;

  const auto apply_sectors = [&](const Change& change) {
    for (std::size_t at = 0; at < change.data.size();) {
      const std::size_t into_sector = (static_cast<std::size_t>(change.offset) + at) % kSector;
      const std::size_t size = std::min(kSector - into_sector, change.data.size() - at);
      if (random.OneIn(2)) {
        Apply({change.offset + static_cast<std::int64_t>(at), change.data.substr(at, size), false}, &*content);
      }
      at += size;
    }
  };
  if (!content) content.emplace();
  const std::size_t prefix = random.Below(changes_.size());
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const Change& change = changes_[i];
    const bool torn = survival == Survival::kSectors || (survival == Survival::kPrefix && i == prefix);
    if (torn && !change.truncates) {
      apply_sectors(change);
    } else if (survival == Survival::kEverything || (survival == Survival::kPrefix && i < prefix) ||
               ((survival == Survival::kWrites || survival == Survival::kSectors) && random.OneIn(2))) {
      Apply(change, &*content);
    }
  }
  return content;
}

}  // namespace runlet::durable_test
