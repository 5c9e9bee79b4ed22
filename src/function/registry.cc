#include "function/registry.h"

#include <cstring>

namespace runlet {
namespace {

constexpr std::size_t kFirstSize = 16;

std::uint64_t Word(const char* text) {
  std::uint64_t word;
  std::memcpy(&word, text, sizeof word);
  return word;
}

// Names are short, and the host's own: no need for a hash that withstands an attacker. The last word overlaps the one
// before it.
std::size_t HashOf(std::string_view name) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15u;
  std::uint64_t hash = name.size() * kOdd;
  const auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * kOdd;
    hash ^= hash >> 32;
  };
  if (name.size() < sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    for (const char c : name) word = word << 8 | static_cast<unsigned char>(c);
    mix(word);
  } else {
    for (std::size_t i = 0; i + sizeof(std::uint64_t) < name.size(); i += sizeof(std::uint64_t)) {
      mix(Word(name.data() + i));
    }
    mix(Word(name.data() + name.size() - sizeof(std::uint64_t)));
  }
  return static_cast<std::size_t>(hash * kOdd >> 7);
}

// As HashOf reads them: without a call for a dozen bytes.
bool Same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  if (a.size() < sizeof(std::uint64_t)) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }
  for (std::size_t i = 0; i + sizeof(std::uint64_t) < a.size(); i += sizeof(std::uint64_t)) {
    if (Word(a.data() + i) != Word(b.data() + i)) return false;
  }
  const std::size_t last = a.size() - sizeof(std::uint64_t);
  return Word(a.data() + last) == Word(b.data() + last);
}

}  // namespace

// Open addressing, at most half full.
struct Registry::Table {
  struct Place {
    std::atomic<FunctionEntry*> entry{nullptr};
    std::size_t hash = 0;  // written before `entry` is published
  };

  explicit Table(std::size_t size) : mask(size - 1), places(new Place[size]) {}

  void Insert(FunctionEntry* entry, std::size_t hash) {
    std::size_t i = hash & mask;
    while (places[i].entry.load(std::memory_order_relaxed) != nullptr) i = (i + 1) & mask;
    places[i].hash = hash;
    places[i].entry.store(entry, std::memory_order_release);
    ++used;
  }

  const std::size_t mask;
  std::size_t used = 0;
  const std::unique_ptr<Place[]> places;
};

Registry::Registry() {
  tables_.push_back(std::make_unique<Table>(kFirstSize));
  table_.store(tables_.back().get(), std::memory_order_release);
}
Registry::~Registry() = default;

FunctionEntry* Registry::Find(std::string_view name) const {
  const Table& table = *table_.load(std::memory_order_acquire);
  const std::size_t hash = HashOf(name);
  for (std::size_t i = hash & table.mask;; i = (i + 1) & table.mask) {
    FunctionEntry* entry = table.places[i].entry.load(std::memory_order_acquire);
    if (entry == nullptr) return FindLatest(name);
    if (table.places[i].hash == hash && Same(entry->name, name)) return entry;
  }
}

FunctionEntry* Registry::FindLatest(std::string_view name) const {
  const QualifiedName parts(name);
  return parts.qualifier == kLatest ? Find(parts.function) : nullptr;
}

std::size_t Registry::size() const {
  MutexLock lock(&mu_);
  return entries_.size();
}

FunctionEntry& Registry::FindOrAdd(std::string_view name) {
  MutexLock lock(&mu_);
  if (FunctionEntry* entry = Find(name); entry != nullptr) return *entry;
  const QualifiedName parts(name);
  entries_.push_back(std::make_unique<FunctionEntry>(std::string(name), static_cast<std::uint32_t>(entries_.size()),
                                                     parts.qualifier.empty() ? nullptr : Find(parts.function)));
  FunctionEntry* entry = entries_.back().get();
  Table* table = tables_.back().get();
  if (2 * (table->used + 1) > table->mask + 1) {
    tables_.push_back(std::make_unique<Table>(2 * (table->mask + 1)));
    table = tables_.back().get();
    for (const auto& each : entries_) {
      if (each.get() != entry) table->Insert(each.get(), HashOf(each->name));
    }
    table->Insert(entry, HashOf(entry->name));
    table_.store(table, std::memory_order_release);
  } else {
    table->Insert(entry, HashOf(entry->name));
  }
  return *entry;
}

std::vector<FunctionEntry*> Registry::All() const {
  MutexLock lock(&mu_);
  std::vector<FunctionEntry*> all;
  all.reserve(entries_.size());
  for (const auto& entry : entries_) all.push_back(entry.get());
  return all;
}

}  // namespace runlet
