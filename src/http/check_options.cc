#include "http/check_options.h"

#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <initializer_list>
#include <set>
#include <string_view>

#include "runlet/event/function_name.h"

namespace runlet::http {
namespace {

absl::Status CheckAddress(const ServerOptions& options) {
  boost::system::error_code ec;
  const boost::asio::ip::address address = boost::asio::ip::make_address(options.address, ec);
  if (ec) {
    return absl::InvalidArgumentError(
        fmt::format("address \"{}\" is neither an IPv4 nor an IPv6 address", options.address));
  }
  if (!address.is_loopback() && std::holds_alternative<std::monostate>(options.authentication)) {
    return absl::InvalidArgumentError(fmt::format(
        "address {} can be reached from other machines, and whoever reaches it may run every function: choose an "
        "authentication (http::SigV4), or write http::kNoAuthentication",
        options.address));
  }
  return absl::OkStatus();
}

absl::Status CheckKey(const AccessKey& key, std::set<std::string_view>* ids) {
  const auto is_word = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (key.id.empty() || key.id.size() > 128 || !std::all_of(key.id.begin(), key.id.end(), is_word)) {
    return absl::InvalidArgumentError("the id of an access key must have 1 to 128 letters, digits and underscores");
  }
  if (key.secret.empty()) return absl::InvalidArgumentError(fmt::format("access key {} has no secret", key.id));
  if (!ids->insert(key.id).second)
    return absl::InvalidArgumentError(fmt::format("access key {} is given twice", key.id));
  for (const std::string& function : key.functions) {
    if (function == "*") continue;
    if (absl::Status status = CheckFunctionName(function); !status.ok()) {
      return absl::InvalidArgumentError(fmt::format("access key {}: {}", key.id, std::string(status.message())));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAuthentication(const SigV4& authentication) {
  if (authentication.keys.empty()) {
    return absl::InvalidArgumentError("authentication by signature has no access key: nobody could call anything");
  }
  if (authentication.clock_skew <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        fmt::format("clock_skew of {} is not positive", absl::FormatDuration(authentication.clock_skew)));
  }
  std::set<std::string_view> ids;
  for (const AccessKey& key : authentication.keys) {
    if (absl::Status status = CheckKey(key, &ids); !status.ok()) return status;
  }
  return absl::OkStatus();
}

struct Range {
  std::string_view name;
  std::uint64_t value;
  std::uint64_t min;
  std::uint64_t max;
};

absl::Status CheckLimits(const ServerLimits& limits) {
  constexpr std::uint64_t kGib = std::uint64_t{1} << 30;
  for (const Range& range :
       {Range{"connections_max", limits.connections_max, 1, 1'000'000},
        Range{"head_bytes_max", limits.head_bytes_max, 512, 1 << 20},
        Range{"headers_max", limits.headers_max, 1, 10'000}, Range{"body_bytes_max", limits.body_bytes_max, 0, kGib},
        Range{"drained_bytes_max", limits.drained_bytes_max, limits.body_bytes_max, 1024 * kGib},
        Range{"unread_bytes_max", limits.unread_bytes_max, 1, kGib}}) {
    if (range.value < range.min || range.value > range.max) {
      return absl::InvalidArgumentError(
          fmt::format("{} of {} is outside its range of {} to {}", range.name, range.value, range.min, range.max));
    }
  }
  for (const auto& [name, time] : {std::pair<std::string_view, absl::Duration>{"idle_time", limits.idle_time},
                                   {"head_time", limits.head_time},
                                   {"body_time", limits.body_time},
                                   {"write_time", limits.write_time}}) {
    if (time < absl::Milliseconds(1) || time > absl::Hours(24)) {
      return absl::InvalidArgumentError(
          fmt::format("{} of {} is outside its range of 1 ms to 24 h", name, absl::FormatDuration(time)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckServerOptions(const ServerOptions& options) {
  if (absl::Status status = CheckAddress(options); !status.ok()) return status;
  if (options.threads < 0 || options.threads > 64) {
    return absl::InvalidArgumentError(fmt::format("threads of {} is outside its range of 0 to 64", options.threads));
  }
  if (const SigV4* authentication = std::get_if<SigV4>(&options.authentication)) {
    if (absl::Status status = CheckAuthentication(*authentication); !status.ok()) return status;
  }
  return CheckLimits(options.limits);
}

}  // namespace runlet::http
