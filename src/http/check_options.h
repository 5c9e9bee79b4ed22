// Which options a server can have.
#ifndef RUNLET_SRC_HTTP_CHECK_OPTIONS_H_
#define RUNLET_SRC_HTTP_CHECK_OPTIONS_H_

#include <absl/status/status.h>

#include "runlet/http/server_options.h"

namespace runlet::http {

// InvalidArgument that names the option, its value and its range, or says why the address needs authentication. Looks
// at neither `tls` nor the network.
absl::Status CheckServerOptions(const ServerOptions& options);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_CHECK_OPTIONS_H_
