#include "base/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

namespace runlet {

// How it is exact and fast at once. A link's slot follows from its due time and `base_`: the highest group of six bits
// in which the two differ gives the level, the due time's value of that group the slot. So of two slots the one on the
// lower level is the earlier, on one level the one with the lower index, and the earliest timer of all is in the
// earliest slot.
//
// A slot holds a pairing heap, lazily: Arm() only hangs the link into a list, and Settle() makes the list one tree,
// with the earliest at the root, when somebody asks for the slot's earliest. Only the earliest slot is ever asked. Once
// time reaches a slot of a higher level, Spread() moves its links down to finer slots.
//
// Links in a list hang on `next`. `where` is the pointer that leads to the link, in the slot, the parent or the
// neighbour before, so that taking a link out reads no other link: among a million, each read is a cache miss.
namespace {

void Hang(TimerLink** where, TimerLink* link) {
  *where = link;
  if (link != nullptr) link->where = where;
}

bool Earlier(const TimerLink* a, const TimerLink* b) {
  if (a->due != b->due) return a->due < b->due;
  return a->order < b->order;
}

// Two trees into one: the later root becomes the first child of the earlier.
TimerLink* Meld(TimerLink* a, TimerLink* b) {
  if (Earlier(b, a)) std::swap(a, b);
  Hang(&b->next, a->child);
  Hang(&a->child, b);
  return a;
}

// A list of trees into one tree, whose `next` and `where` are left to the caller. By pairs from the left, then the
// pairs from the right: this order is what bounds the cost, amortised, by the logarithm.
TimerLink* MeldAll(TimerLink* first) {
  TimerLink* pairs = nullptr;
  while (first != nullptr) {
    TimerLink* a = first;
    TimerLink* b = a->next;
    first = b != nullptr ? b->next : nullptr;
    if (b != nullptr) a = Meld(a, b);
    a->next = pairs;
    pairs = a;
  }
  TimerLink* root = pairs;
  pairs = pairs->next;
  while (pairs != nullptr) {
    TimerLink* pair = pairs;
    pairs = pairs->next;
    root = Meld(root, pair);
  }
  return root;
}

}  // namespace

TimerWheel::TimerWheel(Instant start) : base_(0) { base_ = Place(start) >> kTickBits << kTickBits; }

void TimerWheel::Arm(TimerLink* link, Instant due) {
  if (link->armed()) Cancel(link);
  link->due = due;
  link->order = ++armed_count_;
  ++size_;
  Insert(link);
}

void TimerWheel::Cancel(TimerLink* link) {
  if (link->armed()) Remove(link);
}

Instant TimerWheel::NextDue() { return levels_ == 0 ? Instant::Never() : Settle(Earliest())->due; }

TimerLink* TimerWheel::PopDue(Instant now) {
  while (levels_ != 0) {
    const Slot slot = Earliest();
    const std::uint64_t start = Start(slot);
    const std::uint64_t reached = Place(now) >> kTickBits << kTickBits;
    // Up to the earliest slot there is nothing that time could pass by.
    base_ = std::min(start, reached);
    if (base_ < start) return nullptr;
    if (slot.level == 0) {
      TimerLink* link = Settle(slot);
      if (link->due > now) return nullptr;
      Remove(link);
      return link;
    }
    Spread(slot);
  }
  return nullptr;
}

// Links that were due before `base_` stand in its slot, where the heap keeps them first.
std::uint64_t TimerWheel::Place(Instant due) const {
  return std::max(static_cast<std::uint64_t>(std::max<std::int64_t>(due.ns, 0)), base_);
}

TimerWheel::Slot TimerWheel::SlotOf(std::uint64_t place) const {
  const std::uint64_t differing = (place ^ base_) >> kTickBits;
  const int level = (static_cast<int>(std::bit_width(differing | 1)) - 1) / kLevelBits;
  return {level, static_cast<int>(place >> Shift(level)) & (kSlots - 1)};
}

TimerWheel::Slot TimerWheel::Earliest() const {
  const int level = std::countr_zero(levels_);
  return {level, std::countr_zero(occupied_[level])};
}

std::uint64_t TimerWheel::Start(Slot slot) const {
  const int above = Shift(slot.level + 1);
  return (base_ >> above << above) | static_cast<std::uint64_t>(slot.index) << Shift(slot.level);
}

void TimerWheel::Insert(TimerLink* link) {
  const Slot slot = SlotOf(Place(link->due));
  TimerLink** const first = &slots_[slot.level][slot.index];
  link->child = nullptr;
  Hang(&link->next, *first);
  Hang(first, link);
  occupied_[slot.level] |= std::uint64_t{1} << slot.index;
  levels_ |= std::uint64_t{1} << slot.level;
}

void TimerWheel::Remove(TimerLink* link) {
  // The children take the place of their parent: as one tree, since a parent must be earlier than all its children.
  TimerLink* heir = link->next;
  if (link->child != nullptr) {
    heir = MeldAll(link->child);
    Hang(&heir->next, link->next);
  }
  Hang(link->where, heir);
  if (heir == nullptr) MarkIfEmptied(link->where);
  link->order = 0;
  --size_;
}

// `where` leads nowhere any more. If it is a slot, the slot is empty.
void TimerWheel::MarkIfEmptied(TimerLink** where) {
  const std::less<> before;  // compares pointers into different objects, too
  if (before(where, &slots_[0][0]) || !before(where, &slots_[0][0] + kLevels * kSlots)) return;
  const auto slot = static_cast<int>(where - &slots_[0][0]);
  MarkEmpty({slot / kSlots, slot % kSlots});
}

void TimerWheel::MarkEmpty(Slot slot) {
  occupied_[slot.level] &= ~(std::uint64_t{1} << slot.index);
  if (occupied_[slot.level] == 0) levels_ &= ~(std::uint64_t{1} << slot.level);
}

TimerLink* TimerWheel::Settle(Slot slot) {
  TimerLink** const first = &slots_[slot.level][slot.index];
  if ((*first)->next != nullptr) {
    Hang(first, MeldAll(*first));
    (*first)->next = nullptr;
  }
  return *first;
}

// `base_` has reached the slot's start, so its links differ from it on lower levels only.
void TimerWheel::Spread(Slot slot) {
  TimerLink* rest = slots_[slot.level][slot.index];
  slots_[slot.level][slot.index] = nullptr;
  MarkEmpty(slot);
  while (rest != nullptr) {
    TimerLink* const link = rest;
    rest = link->next;
    if (TimerLink* last = link->child; last != nullptr) {
      while (last->next != nullptr) last = last->next;
      last->next = rest;
      rest = link->child;
    }
    Insert(link);
  }
}

}  // namespace runlet
