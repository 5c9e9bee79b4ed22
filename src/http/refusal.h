// A request that the wire itself answers, because it never became one.
#ifndef RUNLET_SRC_HTTP_REFUSAL_H_
#define RUNLET_SRC_HTTP_REFUSAL_H_

#include <string>
#include <string_view>

namespace runlet::http {

struct Refusal {
  int status = 400;
  std::string message = {};  // text of ours alone: nothing that the client sent
};

// "BadRequestException" and its like, for the header by which SDKs know an error.
std::string_view ErrorType(int status);
// {"Type":"User","message":"..."}
std::string ErrorBody(const Refusal& refusal);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_REFUSAL_H_
