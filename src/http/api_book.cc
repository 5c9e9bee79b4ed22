#include "http/api_book.h"

#include "runlet/base/random.h"
#include "runlet/event/request_id.h"

namespace runlet::http {

std::string ApiBook::RevisionId(std::uint64_t revision) const {
  Random random(seed_ ^ revision);
  const std::uint64_t high = random.Next();
  return RequestId::FromBits(high, random.Next()).ToString();
}

Tags ApiBook::TagsOf(const std::string& function) const {
  MutexLock lock(&mu_);
  const auto found = tags_.find(function);
  return found == tags_.end() ? Tags() : found->second;
}

bool ApiBook::AddTags(const std::string& function, const Tags& tags, std::size_t most) {
  MutexLock lock(&mu_);
  Tags all = tags_[function];
  for (const auto& [key, value] : tags) all[key] = value;
  if (all.size() > most) return false;
  tags_[function] = std::move(all);
  return true;
}

void ApiBook::RemoveTags(const std::string& function, const std::vector<std::string>& keys) {
  MutexLock lock(&mu_);
  const auto found = tags_.find(function);
  if (found == tags_.end()) return;
  for (const std::string& key : keys) found->second.erase(key);
  if (found->second.empty()) tags_.erase(found);
}

std::optional<EventInvokeNote> ApiBook::EventInvokeOf(const std::string& name) const {
  MutexLock lock(&mu_);
  const auto found = event_invoke_.find(name);
  return found == event_invoke_.end() ? std::nullopt : std::optional(found->second);
}

void ApiBook::SetEventInvoke(const std::string& name, std::optional<EventInvokeNote> note) {
  MutexLock lock(&mu_);
  if (note.has_value()) {
    event_invoke_[name] = *note;
  } else {
    event_invoke_.erase(name);
  }
}

absl::Time ApiBook::ProvisionedAt(const std::string& name) const {
  MutexLock lock(&mu_);
  const auto found = provisioned_at_.find(name);
  return found == provisioned_at_.end() ? absl::UnixEpoch() : found->second;
}

void ApiBook::SetProvisionedAt(const std::string& name, absl::Time time) {
  MutexLock lock(&mu_);
  provisioned_at_[name] = time;
}

bool ApiBook::AddUrl(const std::string& name, FunctionUrlConfig config) {
  MutexLock lock(&mu_);
  const std::string id = config.id;
  if (!urls_.emplace(name, std::move(config)).second) return false;
  url_names_[id] = name;
  return true;
}

std::optional<FunctionUrlConfig> ApiBook::UrlOf(const std::string& name) const {
  MutexLock lock(&mu_);
  const auto found = urls_.find(name);
  return found == urls_.end() ? std::nullopt : std::optional(found->second);
}

void ApiBook::SetUrl(const std::string& name, FunctionUrlConfig config) {
  MutexLock lock(&mu_);
  if (const auto found = urls_.find(name); found != urls_.end()) found->second = std::move(config);
}

bool ApiBook::RemoveUrl(const std::string& name) {
  MutexLock lock(&mu_);
  const auto found = urls_.find(name);
  if (found == urls_.end()) return false;
  url_names_.erase(found->second.id);
  urls_.erase(found);
  return true;
}

std::optional<std::pair<std::string, FunctionUrlConfig>> ApiBook::FindUrl(std::string_view id) const {
  MutexLock lock(&mu_);
  const auto name = url_names_.find(id);
  if (name == url_names_.end()) return std::nullopt;
  return std::pair(name->second, urls_.find(name->second)->second);
}

void ApiBook::Forget(const std::string& name) {
  MutexLock lock(&mu_);
  const auto belongs = [&](const std::string& other) { return other == name || other.starts_with(name + ":"); };
  tags_.erase(name);
  std::erase_if(event_invoke_, [&](const auto& each) { return belongs(each.first); });
  std::erase_if(provisioned_at_, [&](const auto& each) { return belongs(each.first); });
  std::erase_if(url_names_, [&](const auto& each) { return belongs(each.second); });
  std::erase_if(urls_, [&](const auto& each) { return belongs(each.first); });
}

}  // namespace runlet::http
