// AWS Signature Version 4, as a server looks at it.
#ifndef RUNLET_SRC_HTTP_SIGV4_H_
#define RUNLET_SRC_HTTP_SIGV4_H_

#include <string>
#include <string_view>
#include <variant>

#include "http/exchange.h"
#include "runlet/http/server_options.h"

namespace runlet::http {

// Why a request is not believed, in the service's words. All are 403.
struct SignatureFault {
  std::string_view type = {};  // "InvalidSignatureException"
  std::string message = {};
};

// Who signed `request`: one of `options`' keys, which must outlive the result. Its time is taken for now. Pure.
//
// Both forms are understood: the Authorization header, and the query of a presigned URL (valid as long as it says, 7
// days at most). The scope must be of the service `lambda`, of any region. Signed must be the host, the X-Amz-Date and
// every other x-amz- header, so that nothing that steers a call can be added on the way. The body must have the hash
// that was signed, unless that is UNSIGNED-PAYLOAD. A security token is signed like any other value, and not looked at.
//
// Of an oversized body the hash is taken that was told with it; where none was, because it never came, the one that the
// client claims in X-Amz-Content-Sha256, so that it may be told what is wrong. Nothing secret is compared in a time
// that depends on it, and no fault tells what signature would have been right.
std::variant<const AccessKey*, SignatureFault> VerifySignature(const Request& request, const SigV4& options);

// Whether the owner of `key` may call the function, whatever its qualifier.
bool MayCall(const AccessKey& key, std::string_view function);
// Whether he may change functions and their settings: any.
bool MayChange(const AccessKey& key);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_SIGV4_H_
