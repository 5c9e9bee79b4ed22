// Frames of application/vnd.amazon.eventstream.
#ifndef RUNLET_SRC_HTTP_EVENT_STREAM_H_
#define RUNLET_SRC_HTTP_EVENT_STREAM_H_

#include <span>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace runlet::http {

// One message: lengths, headers of text, payload, and a checksum after the lengths and at the end.
std::string EventStreamFrame(std::span<const Header> headers, std::string_view payload);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_EVENT_STREAM_H_
