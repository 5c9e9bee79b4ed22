// InvokeWithResponseStream: frames, and a client that reads slowly.
#include <string>

#include "http/event_stream.h"
#include "tests/http/service_fixture.h"

namespace runlet::http {
namespace {

constexpr char kTarget[] = "/2021-11-15/functions/count/response-streaming-invocations";

void RegisterCount(ServiceFixture& api) {
  REQUIRE(api.engine()
              .Register("count",
                        [](std::string_view event, Context& ctx) -> absl::Status {
                          for (const char* piece : {"one", "two"}) {
                            if (absl::Status status = ctx.Stream().Write(piece); !status.ok()) return status;
                            ctx.Sleep(absl::Seconds(1));
                          }
                          return event == "{}" ? absl::OkStatus() : absl::UnavailableError("down");
                        })
              .ok());
}

std::string Chunk(std::string_view bytes) {
  const Header headers[] = {
      {":event-type", "PayloadChunk"}, {":content-type", "application/octet-stream"}, {":message-type", "event"}};
  return EventStreamFrame(headers, bytes);
}

std::string Complete(std::string_view json) {
  const Header headers[] = {
      {":event-type", "InvokeComplete"}, {":content-type", "application/json"}, {":message-type", "event"}};
  return EventStreamFrame(headers, json);
}

TEST_CASE("a stream leaves piece by piece, in frames") {
  ServiceFixture api;
  RegisterCount(api);
  RecordedExchange exchange("POST", kTarget);
  exchange.HandTo(api.service);
  api.sim.AdvanceBy(absl::Milliseconds(1));
  CHECK(exchange.pieces() == std::vector<std::string>{Chunk("one")});
  CHECK(exchange.header("Content-Type") == "application/vnd.amazon.eventstream");
  CHECK(exchange.header("X-Amz-Executed-Version") == "$LATEST");
  api.sim.RunUntilIdle();
  CHECK(exchange.pieces() == std::vector<std::string>{Chunk("one"), Chunk("two"), Complete("{}")});
  CHECK(exchange.status() == 200);
  exchange.WaitEnded();
}

TEST_CASE("an error after the first piece comes at the end, before it with no piece, and a refusal as any other") {
  ServiceFixture api;
  RegisterCount(api);
  REQUIRE(api.engine().Register("fail", [](std::string_view) { return absl::NotFoundError("no"); }).ok());
  CHECK(
      api.Ask("POST", kTarget, "1").body ==
      Chunk("one") + Chunk("two") +
          Complete(
              R"({"ErrorCode":"Unhandled","ErrorDetails":"{\"errorMessage\":\"down\",\"errorType\":\"Unavailable\",\"stackTrace\":[]}"})"));
  CHECK(
      api.Ask("POST", "/2021-11-15/functions/fail/response-streaming-invocations").body ==
      Complete(
          R"({"ErrorCode":"Unhandled","ErrorDetails":"{\"errorMessage\":\"no\",\"errorType\":\"NotFound\",\"stackTrace\":[]}"})"));
  const Reply refused = api.Ask("POST", "/2021-11-15/functions/nobody/response-streaming-invocations");
  CHECK(refused.status == 404);
  CHECK(refused.Find("x-amzn-ErrorType") == "ResourceNotFoundException");
}

TEST_CASE("a client that does not read holds the handler up, and one that has gone ends its stream") {
  ServiceFixture api;
  int written = 0;
  absl::Status told;
  REQUIRE(api.engine()
              .Register("flood",
                        [&](std::string_view, Context& ctx) {
                          while (told.ok() && written < 20) {
                            told = ctx.Stream().Write(std::string(kStreamBuffer, 'x'));
                            ++written;
                          }
                          return told;
                        },
                        {.timeout = absl::Minutes(10)})
              .ok());
  RecordedExchange exchange("POST", "/2021-11-15/functions/flood/response-streaming-invocations");
  exchange.SetRoom(Room::kFull);
  exchange.HandTo(api.service);
  api.sim.AdvanceBy(absl::Minutes(1));
  CHECK(exchange.pieces().size() == 1);
  CHECK(written == 2);  // one is on the wire, one waits in the pipe
  exchange.Tell(Notice::kRoom);
  api.sim.AdvanceBy(absl::Minutes(1));
  CHECK(exchange.pieces().size() == 2);
  exchange.SetRoom(Room::kGone);
  exchange.Tell(Notice::kRoom);
  api.sim.RunUntilIdle();
  CHECK(absl::IsCancelled(told));
  CHECK(exchange.aborted());
}

}  // namespace
}  // namespace runlet::http
