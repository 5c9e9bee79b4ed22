// Sends what all answers of the API have in common.
#ifndef RUNLET_SRC_HTTP_REPLY_H_
#define RUNLET_SRC_HTTP_REPLY_H_

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "http/service_error.h"
#include "runlet/event/request_id.h"

namespace runlet::http {

// The headers of an answer, in place. Refers to the texts that it is given.
class ReplyHeaders {
 public:
  void Add(std::string_view name, std::string_view value) { headers_[count_++] = {name, value}; }
  std::span<const Header> all() const { return std::span(headers_).first(count_); }

 private:
  std::array<Header, 10> headers_;
  std::size_t count_ = 0;
};

void SendError(Responder responder, const ServiceError& error, const RequestId& id);
// `body` is JSON, or empty.
void SendJson(Responder responder, int status, const RequestId& id, std::string_view body);

// "Root=1-65537e80-0123456789abcdef01234567;Sampled=0", made of the id where the client has sent none.
std::string TraceOf(std::string_view id, std::string_view sent);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_REPLY_H_
