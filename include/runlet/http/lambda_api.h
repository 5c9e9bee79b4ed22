// Serves an engine's functions to the AWS CLI, to every AWS SDK, and to browsers. Needs the target runlet::http.
//
//   runlet::Engine engine;
//   ... engine.Register("resize", ...) ...
//   auto api = runlet::http::LambdaApi::Serve(engine, {.server = {.port = 9001}});
//
//   aws lambda invoke --endpoint-url http://127.0.0.1:9001 --function-name resize --payload '{}' out.json
#ifndef RUNLET_HTTP_LAMBDA_API_H_
#define RUNLET_HTTP_LAMBDA_API_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runlet/engine/engine.h"
#include "runlet/http/server_options.h"

namespace runlet::http {

struct LambdaApiOptions {
  // Where to listen, and whom to believe. By default 127.0.0.1 and everyone who reaches it. A body_bytes_max below the
  // engine's payload limit is raised to it.
  ServerOptions server = {};
  // SDKs repeat a call whose answer they have lost: a synchronous one that takes longer than their read timeout (60 s
  // by default) runs several times, on Lambda too. With this, requests that carry the same `amz-sdk-invocation-id` are
  // one call, which is made once; all get its answer, for 5 minutes. A call that was refused is made anew, and one
  // whose answer is streamed always. The AWS CLI 2.9 sends no such id.
  bool deduplicate_retries = false;
};

struct FunctionUrlOptions {
  // Lambda's InvokeMode RESPONSE_STREAM: what the function streams (Context::Stream, http::BeginStream) leaves as it
  // comes. Else it is sent whole.
  bool stream = false;
};

// Lambda's API (2015-03-31 and its later parts) and function URLs, over HTTP/1.1:
//
//   Invoke, InvokeWithResponseStream, InvokeAsync; functions, their configuration, versions, aliases, concurrency,
//   event invoke configurations, recursion configuration, tags and function URLs; GetAccountSettings.
//
// A function runs on the engine's threads; where its run_on is kCaller, on the server's own, which spares two
// hand-offs: for functions that take microseconds, as the thread's other connections wait for them.
//
// What a handler returns is answered byte for byte as application/json, as Lambda answers what a runtime of one's own
// returns: that it is JSON is the handler's to see to. A typed handler's always is.
//
// Everything else answers with an error that says why. Function URLs and tags live here and not in the engine: they go
// with this object. Thread-safe, but Stop() and the destructor.
class LambdaApi {
 public:
  // Listens when it returns. `engine` outlives it. InvalidArgument for options that cannot be, Unavailable for an
  // address that cannot be listened on.
  static absl::StatusOr<LambdaApi> Serve(Engine& engine, LambdaApiOptions options = {});
  // Stop(0).
  ~LambdaApi();
  LambdaApi(LambdaApi&&) noexcept;
  LambdaApi& operator=(LambdaApi&&) = delete;

  std::uint16_t port() const;
  // "http://127.0.0.1:9001", for --endpoint-url.
  std::string endpoint() const;

  // Gives the function, or its alias "f:live", a URL that anyone who reaches the server can call: a browser or curl.
  // The same one in every run: "http://<id>.lambda-url.us-east-1.localhost:9001/". Clients that cannot find such a host
  // take <endpoint>/lambda-url/<id>/. NotFound for a name that is not registered, AlreadyExists where it has one.
  absl::StatusOr<std::string> CreateFunctionUrl(std::string_view name, const FunctionUrlOptions& options = {});

  // Accepts no more connections, closes the idle ones, and the others after their answers; closes what is left after
  // `grace`, and says how many requests went unanswered so. What they called goes on in the engine. A second call
  // returns 0.
  int Stop(absl::Duration grace);

 private:
  struct Parts;
  explicit LambdaApi(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace runlet::http

#endif  // RUNLET_HTTP_LAMBDA_API_H_
