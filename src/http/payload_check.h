// Whether a payload is JSON. It is looked at and passed on as it came: nothing is read out of it.
#ifndef RUNLET_SRC_HTTP_PAYLOAD_CHECK_H_
#define RUNLET_SRC_HTTP_PAYLOAD_CHECK_H_

#include <string>
#include <string_view>

namespace runlet::http {

// Empty: `payload` is JSON, as IsJson() has it. Else what is wrong with it, without a word of its own.
std::string PayloadError(std::string_view payload);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_PAYLOAD_CHECK_H_
