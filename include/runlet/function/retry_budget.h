// How many retries an engine begins.
#ifndef RUNLET_FUNCTION_RETRY_BUDGET_H_
#define RUNLET_FUNCTION_RETRY_BUDGET_H_

namespace runlet {

// How many retries of events begin, over all functions, so that a failure that hits many is not answered by a storm.
// What it leaves no room for is postponed by a second, as often as it takes, but not beyond the event's age. What is
// not used is kept, 10 s of per_second or 10 retries at most, and so much is there at the beginning. Value.
struct RetryBudget {
  double share = 0.2;      // for each first attempt, this much of a retry; 0 to 100
  double per_second = 10;  // and so many in any case; more than 0 to 1,000,000
};

}  // namespace runlet

#endif  // RUNLET_FUNCTION_RETRY_BUDGET_H_
