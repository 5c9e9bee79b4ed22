// The books about a program that posts events and runs them: what it was told, and what its file may hold therefore.
#ifndef RUNLET_TESTS_DURABLE_BOOKS_H_
#define RUNLET_TESTS_DURABLE_BOOKS_H_

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace runlet::durable_test {

// In the life of event `n`.
enum class Step : std::uint64_t {
  kPosting,    // Post has been called
  kAccepted,   // ... and answered OK
  kRefused,    // ... or that it is none
  kUnknown,    // ... or that nobody knows
  kBegun,      // its handler has been called
  kSucceeded,  // its handler is about to return OK
  kTold,       // its destination has been told that it succeeded
};
struct Note {
  Step step = Step::kPosting;
  std::uint64_t n = 0;
};

// What a file of a queue holds, read without the queue.
struct FileContent {
  std::string unsound;  // empty: SQLite finds nothing wrong
  std::vector<std::uint64_t> waiting;
  std::vector<std::uint64_t> dead;

  // `path` belongs to nobody now. Its log is left as it is. A file that is not there yet, or not finished, holds
  // nothing.
  static FileContent Read(const std::string& path);
};

// Thread-compatible.
class Books {
 public:
  // Where a disk never takes the end of an event, its destination is told all the same; the event then runs again, and
  // its destination is told again.
  void AllowToldAgain() { told_is_final_ = false; }
  void Enter(Note note);
  // The program is started again, and its file was not looked at.
  void NextLife() { ++life_; }
  // Compares with what the program has left behind.
  void Audit(const FileContent& file);
  // The same where what was not synced may be lost: what the file holds is the truth from now on.
  void AuditAfterLoss(const FileContent& file);

  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t ended() const { return ended_; }
  // After AuditAfterLoss(): accepted events that are neither there nor can have ended.
  std::uint64_t lost() const { return lost_; }
  // What may not be, as sentences; the first 20. The events are those that were named so when they were posted.
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  enum class State : std::uint8_t { kPosting, kOpen, kRefused, kDead, kEnded };
  struct Event {
    State state = State::kPosting;
    int succeeded = 0;  // in which life; 0: it has not
    bool told = false;
  };

  void Complain(std::uint64_t n, const char* what);
  void CheckFound(const FileContent& file);
  void Found(std::uint64_t n, bool dead);
  void Open(std::uint64_t n, Event* event);
  void End(std::uint64_t n, Event* event);

  std::unordered_map<std::uint64_t, Event> events_;
  std::set<std::uint64_t> open_;  // accepted, and not known to have ended
  std::set<std::uint64_t> dead_;
  int life_ = 1;
  bool told_is_final_ = true;
  std::uint64_t accepted_ = 0;
  std::uint64_t ended_ = 0;
  std::uint64_t lost_ = 0;
  std::vector<std::string> complaints_;
};

}  // namespace runlet::durable_test

#endif  // RUNLET_TESTS_DURABLE_BOOKS_H_
