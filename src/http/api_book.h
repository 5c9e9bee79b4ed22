// What the control plane knows beside the engine: of no use to a C++ program, but clients ask for it.
#ifndef RUNLET_SRC_HTTP_API_BOOK_H_
#define RUNLET_SRC_HTTP_API_BOOK_H_

#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/function_url_config.h"
#include "runlet/base/sync.h"

namespace runlet::http {

using Tags = std::map<std::string, std::string>;

// Which parts of an event invoke configuration were set through the API, and when.
struct EventInvokeNote {
  bool retries = false;
  bool age = false;
  absl::Time modified;
};

// By the engine's names: "resize", "resize:live". Thread-safe.
class ApiBook {
 public:
  explicit ApiBook(std::uint64_t seed) : seed_(seed) {}

  // A UUID that stands for the engine's number.
  std::string RevisionId(std::uint64_t revision) const;

  Tags TagsOf(const std::string& function) const RUNLET_EXCLUDES(mu_);
  // False, and nothing changes, where there would be more than `most`.
  bool AddTags(const std::string& function, const Tags& tags, std::size_t most) RUNLET_EXCLUDES(mu_);
  void RemoveTags(const std::string& function, const std::vector<std::string>& keys) RUNLET_EXCLUDES(mu_);

  std::optional<EventInvokeNote> EventInvokeOf(const std::string& name) const RUNLET_EXCLUDES(mu_);
  // nullopt: forgets it.
  void SetEventInvoke(const std::string& name, std::optional<EventInvokeNote> note) RUNLET_EXCLUDES(mu_);

  absl::Time ProvisionedAt(const std::string& name) const RUNLET_EXCLUDES(mu_);
  void SetProvisionedAt(const std::string& name, absl::Time time) RUNLET_EXCLUDES(mu_);

  // False where there is one already.
  bool AddUrl(const std::string& name, FunctionUrlConfig config) RUNLET_EXCLUDES(mu_);
  std::optional<FunctionUrlConfig> UrlOf(const std::string& name) const RUNLET_EXCLUDES(mu_);
  void SetUrl(const std::string& name, FunctionUrlConfig config) RUNLET_EXCLUDES(mu_);
  bool RemoveUrl(const std::string& name) RUNLET_EXCLUDES(mu_);
  // The function that the URL with this id leads to.
  std::optional<std::pair<std::string, FunctionUrlConfig>> FindUrl(std::string_view id) const RUNLET_EXCLUDES(mu_);

  // All of a function that is no more, or of one version or alias.
  void Forget(const std::string& name) RUNLET_EXCLUDES(mu_);

 private:
  const std::uint64_t seed_;
  mutable Mutex mu_;
  std::map<std::string, Tags> tags_ RUNLET_GUARDED_BY(mu_);
  std::map<std::string, EventInvokeNote> event_invoke_ RUNLET_GUARDED_BY(mu_);
  std::map<std::string, absl::Time> provisioned_at_ RUNLET_GUARDED_BY(mu_);
  std::map<std::string, FunctionUrlConfig> urls_ RUNLET_GUARDED_BY(mu_);
  std::map<std::string, std::string, std::less<>> url_names_ RUNLET_GUARDED_BY(mu_);  // by id
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_API_BOOK_H_
