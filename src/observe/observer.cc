#include "runlet/observe/observer.h"

namespace runlet {

std::string_view ActivityName(Activity::Kind kind) {
  switch (kind) {
    case Activity::Kind::kAccepted: return "accepted";
    case Activity::Kind::kRefused: return "refused";
    case Activity::Kind::kStarted: return "started";
    case Activity::Kind::kSucceeded: return "succeeded";
    case Activity::Kind::kFailed: return "failed";
    case Activity::Kind::kTimedOut: return "timed out";
    case Activity::Kind::kLateResult: return "late result";
    case Activity::Kind::kThrottled: return "throttled";
    case Activity::Kind::kRetryScheduled: return "retry scheduled";
    case Activity::Kind::kEnded: return "ended";
    case Activity::Kind::kRedriven: return "redriven";
    case Activity::Kind::kDeadLetterTaken: return "dead letter taken";
    case Activity::Kind::kDeadLetterError: return "dead letter error";
    case Activity::Kind::kDeadLetterPurged: return "dead letter purged";
    case Activity::Kind::kDestinationTold: return "destination told";
    case Activity::Kind::kDestinationError: return "destination error";
    case Activity::Kind::kRegistered: return "registered";
    case Activity::Kind::kReplaced: return "replaced";
    case Activity::Kind::kRemoved: return "removed";
    case Activity::Kind::kDraining: return "draining";
    case Activity::Kind::kStopping: return "stopping";
    case Activity::Kind::kClosed: return "closed";
  }
  return "unknown";
}

}  // namespace runlet
