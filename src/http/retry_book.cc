#include "http/retry_book.h"

namespace runlet::http {

void KeptAnswer::SendTo(Responder responder) const {
  std::vector<Header> views;
  views.reserve(headers.size());
  for (const auto& [name, value] : headers) views.push_back({name, value});
  std::move(responder).Send({.status = status, .headers = views}, body);
}

void RetryBook::ForgetOld(absl::Time now) {
  while (!ended_.empty() && (ended_.front().first + limits_.window <= now || bytes_ > limits_.bytes)) {
    const auto entry = entries_.find(ended_.front().second);
    if (entry != entries_.end() && entry->second.answer != nullptr) {
      bytes_ -= entry->second.answer->body.size();
      entries_.erase(entry);
    }
    ended_.pop_front();
  }
}

std::optional<Responder> RetryBook::Join(const std::string& key, absl::Time now, Responder responder) {
  std::shared_ptr<const KeptAnswer> answer;
  {
    MutexLock lock(&mu_);
    ForgetOld(now);
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
      if (entries_.size() < limits_.calls) entries_.try_emplace(key);
      return responder;
    }
    answer = found->second.answer;
    if (answer == nullptr) {
      found->second.waiting.push_back(std::move(responder));
      return std::nullopt;
    }
  }
  answer->SendTo(std::move(responder));
  return std::nullopt;
}

void RetryBook::End(const std::string& key, absl::Time now, KeptAnswer answer, bool final) {
  const auto kept = std::make_shared<const KeptAnswer>(std::move(answer));
  std::vector<Responder> waiting;
  {
    MutexLock lock(&mu_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    waiting.swap(found->second.waiting);
    if (final) {
      found->second.answer = kept;
      bytes_ += kept->body.size();
      ended_.emplace_back(now, key);
      ForgetOld(now);
    } else {
      entries_.erase(found);
    }
  }
  for (Responder& responder : waiting) kept->SendTo(std::move(responder));
}

}  // namespace runlet::http
