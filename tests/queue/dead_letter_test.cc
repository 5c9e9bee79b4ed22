#include "runlet/queue/dead_letter.h"

#include <string>
#include <vector>

#include "queue/dead_letters.h"
#include "tests/catch.h"

namespace runlet {
namespace {

FunctionIdentity& Resize() {
  static FunctionIdentity function{"resize", 0};
  return function;
}

RequestId Id(std::size_t n) { return RequestId::FromBits(0, n); }

template <typename T>
EventRef NewEvent(T value, std::size_t n = 0) {
  EventRef event = Event::Make(TypeOf<T>(), &value);
  event->id = Id(n);
  event->function = &Resize();
  event->codec = CodecOf<T>();
  return event;
}

// --- A letter ---

TEST_CASE("a dead letter's bytes are what its codec makes of the event") {
  DeadLetter letter;
  letter.event = NewEvent(17);
  CHECK(letter.Bytes().value() == "17");
  letter.event = NewEvent(std::string("as it is"));
  CHECK(letter.Bytes().value() == "as it is");
}

TEST_CASE("a dead letter without a codec or an event says why it has no bytes") {
  struct Opaque {};
  DeadLetter letter;
  letter.function = "resize";
  CHECK(letter.Bytes().status().code() == absl::StatusCode::kFailedPrecondition);
  letter.event = NewEvent(Opaque());
  const absl::Status status = letter.Bytes().status();
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(std::string(status.message()).find("\"resize\"") != std::string::npos);
  CHECK(std::string(status.message()).find("Opaque") != std::string::npos);
}

TEST_CASE("a dead letter's event is read as what was posted, and as nothing else") {
  DeadLetter letter;
  CHECK(letter.As<int>() == nullptr);
  letter.event = NewEvent(17);
  REQUIRE(letter.As<int>() != nullptr);
  CHECK(*letter.As<int>() == 17);
  CHECK(letter.As<unsigned>() == nullptr);
  CHECK(letter.As<std::string>() == nullptr);
}

TEST_CASE("copies of a dead letter share the event") {
  DeadLetter letter;
  letter.event = NewEvent(std::string("x"));
  const DeadLetter copy = letter;
  CHECK(copy.As<std::string>() == letter.As<std::string>());
}

TEST_CASE("a dead letter's error text is its last error, or the condition where no attempt failed") {
  DeadLetter letter;
  letter.condition = Condition::kEventAgeExceeded;
  CHECK(letter.ErrorText() == "EventAgeExceeded");
  letter.errors.push_back({1, absl::UnixEpoch(), {"Unavailable", "first"}});
  letter.errors.push_back({2, absl::UnixEpoch(), {"NotFound", "second"}});
  CHECK(letter.ErrorText() == "NotFound: second");
}

// --- The letters of a queue ---

std::vector<RequestId> Listed(const DeadLetters& letters, std::optional<RequestId> after) {
  std::vector<RequestId> ids;
  for (const DeadLetter& letter : letters.List({}, 1'000'000, after)) ids.push_back(letter.request_id);
  return ids;
}

void Bury(DeadLetters& letters, std::size_t first, std::size_t last) {
  for (std::size_t n = first; n <= last; ++n) {
    letters.Add(NewEvent(1, n), Condition::kRetriesExhausted, absl::UnixEpoch(), absl::UnixEpoch());
  }
}

TEST_CASE("the letters of a queue keep their events as long as they are there") {
  DeadLetters letters;
  Bury(letters, 1, 3);
  CHECK(letters.size() == 3);
  CHECK(letters.Contains(Id(2)));
  const EventRef event = letters.Remove(Id(2));
  CHECK(event->id == Id(2));
  CHECK(!letters.Contains(Id(2)));
  CHECK(Listed(letters, std::nullopt) == std::vector{Id(1), Id(3)});
  CHECK(letters.Purge({}).size() == 2);
  CHECK(letters.size() == 0);
  CHECK(letters.Purge({}).empty());
}

TEST_CASE("a listing goes on after a letter that is gone, while fewer than 1,024 went after it") {
  DeadLetters letters;
  constexpr std::size_t kLast = DeadLetters::kRemembered + 3;
  Bury(letters, 1, kLast);
  for (std::size_t n = 2; n <= kLast - 2; ++n) (void)letters.Remove(Id(n));
  CHECK(Listed(letters, Id(2)) == std::vector{Id(kLast - 1), Id(kLast)});
  (void)letters.Remove(Id(kLast - 1));
  CHECK(Listed(letters, Id(2)) == std::vector{Id(1), Id(kLast)});  // forgotten: from the oldest
  CHECK(Listed(letters, Id(3)) == std::vector{Id(kLast)});
}

TEST_CASE("a letter that came back stands at its new place") {
  DeadLetters letters;
  Bury(letters, 1, 3);
  (void)letters.Remove(Id(1));
  Bury(letters, 1, 1);
  CHECK(Listed(letters, std::nullopt) == std::vector{Id(2), Id(3), Id(1)});
  CHECK(Listed(letters, Id(1)).empty());
  (void)letters.Remove(Id(1));
  Bury(letters, 4, 4);
  CHECK(Listed(letters, Id(1)) == std::vector{Id(4)});
}

}  // namespace
}  // namespace runlet
