// Several observers of one engine.
#include "runlet/observe/observers.h"

#include <string>
#include <vector>

#include "tests/catch.h"

namespace runlet {
namespace {

class Note final : public Observer {
 public:
  Note(std::string name, std::vector<std::string>* notes) : name_(std::move(name)), notes_(notes) {}
  void OnActivity(const Activity& activity) override {
    notes_->push_back(name_ + " " + std::string(activity.function));
  }

 private:
  const std::string name_;
  std::vector<std::string>* const notes_;
};

TEST_CASE("each of several observers is told everything, in their order") {
  std::vector<std::string> notes;
  Note first("first", &notes), second("second", &notes);
  Observers both({&first, &second});
  both.OnActivity({.function = "a"});
  both.OnActivity({.function = "b"});
  CHECK(notes == std::vector<std::string>{"first a", "second a", "first b", "second b"});
}

TEST_CASE("observers may be none, and may be told by observers") {
  std::vector<std::string> notes;
  Note note("note", &notes);
  Observers none({});
  Observers inner({&note, &note});
  Observers outer({&none, &inner});
  outer.OnActivity({.function = "a"});
  CHECK(notes == std::vector<std::string>{"note a", "note a"});
}

}  // namespace
}  // namespace runlet
