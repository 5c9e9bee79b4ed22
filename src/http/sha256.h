// SHA-256, of a text or of one that comes in pieces.
#ifndef RUNLET_SRC_HTTP_SHA256_H_
#define RUNLET_SRC_HTTP_SHA256_H_

#include <memory>
#include <string>
#include <string_view>

namespace runlet::http {

// In 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view text);

// Costs next to nothing until the first piece. Thread-compatible.
class Sha256Pieces {
 public:
  Sha256Pieces();
  ~Sha256Pieces();
  Sha256Pieces(const Sha256Pieces&) = delete;
  Sha256Pieces& operator=(const Sha256Pieces&) = delete;

  void Add(std::string_view piece);
  // Of all pieces since the last time, in hexadecimal; empty where there was none.
  std::string TakeHex();

 private:
  struct Context;

  std::unique_ptr<Context> context_;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_SHA256_H_
