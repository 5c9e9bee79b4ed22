// Several observers for one engine.
#ifndef RUNLET_OBSERVE_OBSERVERS_H_
#define RUNLET_OBSERVE_OBSERVERS_H_

#include <utility>
#include <vector>

#include "runlet/observe/observer.h"

namespace runlet {

// Passes every Activity on to each of them, in order, on the thread that it comes from. They outlive this. Thread-safe,
// as observers are.
class Observers final : public Observer {
 public:
  // None of them is nullptr.
  explicit Observers(std::vector<Observer*> observers) : observers_(std::move(observers)) {}

  void OnActivity(const Activity& activity) override {
    for (Observer* observer : observers_) observer->OnActivity(activity);
  }

 private:
  const std::vector<Observer*> observers_;
};

}  // namespace runlet

#endif  // RUNLET_OBSERVE_OBSERVERS_H_
