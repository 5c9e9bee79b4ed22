// Nothing of a payload or a credential is logged: a server is silent, whatever it is asked.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <string>

#include "runlet/http/lambda_api.h"
#include "tests/catch.h"
#include "tests/http/client.h"
#include "tests/http/signing.h"

namespace runlet::http {
namespace {

// All that the process writes to its two outputs meanwhile.
class Heard {
 public:
  Heard() {
    std::fflush(nullptr);
    dup2(fileno(file_), STDOUT_FILENO);
    dup2(fileno(file_), STDERR_FILENO);
  }
  std::string End() {
    std::fflush(nullptr);
    dup2(kept_[0], STDOUT_FILENO);
    dup2(kept_[1], STDERR_FILENO);
    close(kept_[0]);
    close(kept_[1]);
    std::string text(static_cast<std::size_t>(lseek(fileno(file_), 0, SEEK_END)), '\0');
    CHECK(pread(fileno(file_), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    std::fclose(file_);
    return text;
  }

 private:
  std::FILE* const file_ = std::tmpfile();
  const int kept_[2] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
};

TEST_CASE("nothing of a payload or a credential is logged", "[realtime]") {
  const AccessKey key{.id = "AKIDEXAMPLE", .secret = "secret-marker", .functions = {"*"}};
  const std::string marker = "payload-marker";
  Heard heard;
  std::string answers;
  {
    Engine engine;
    CHECK(engine.Register("echo", [](std::string_view event) { return event; }).ok());
    CHECK(engine
              .Register("fail",
                        [](std::string_view event) -> std::string { throw std::runtime_error(std::string(event)); })
              .ok());
    CHECK(engine.Register("log", [](std::string_view, Context& ctx) { ctx.Log("a line of the handler's"); }).ok());
    auto api = LambdaApi::Serve(engine, {.server = {.authentication = SigV4{.keys = {key}}}});
    REQUIRE(api.ok());
    // Signed, signed with another secret, and with no signature at all.
    const auto ask = [&](std::string_view method, const std::string& target, const std::string& body, int how) {
      AccessKey signer = key;
      if (how == 1) signer.secret = "guess-marker";
      const OwnedHeaders headers =
          how == 2 ? OwnedHeaders{{"Host", "here"}, {"Authorization", "AWS4-HMAC-SHA256 " + marker}}
                   : Signed(signer, absl::Now(), method, target, {{"X-Amz-Log-Type", "Tail"}}, body);
      std::string text = fmt::format("{} {} HTTP/1.1\r\n", method, target);
      for (const auto& [name, value] : headers) text += fmt::format("{}: {}\r\n", name, value);
      Client client(api->port());
      CHECK(client.Send(text + fmt::format("Content-Length: {}\r\n\r\n", body.size()) + body));
      answers += fmt::format("{} ", client.ReadStatus());
    };
    for (const int how : {0, 1, 2}) {
      for (const std::string& function : {std::string("echo"), std::string("fail"), std::string("log"), marker}) {
        const std::string path = "/2015-03-31/functions/" + function + "/invocations";
        ask("POST", path, "\"" + marker + "\"", how);
        ask("POST", path, "{" + marker, how);
        ask("POST", path + "?Qualifier=" + marker, "1", how);
      }
      ask("PUT", "/2015-03-31/functions/echo/configuration", R"({"Runtime":")" + marker + "\"}", how);
      ask("POST", "/2014-11-13/functions/echo/invoke-async", "\"" + marker + "\"", how);
      ask("GET", "/" + marker, "", how);
    }
    Client garbage(api->port());
    CHECK(garbage.Send(marker + "\r\n\r\n"));
    answers += fmt::format("{}", garbage.ReadStatus());
    CHECK(engine.WaitIdle(absl::Seconds(30)).ok());
  }
  const std::string text = heard.End();
  INFO(answers);
  CHECK(text == "");  // not so much as a line
  CHECK(answers.starts_with("200 400 404 "));
  CHECK(answers.ends_with("400"));
  CHECK(answers.find("403") != std::string::npos);
}

}  // namespace
}  // namespace runlet::http
