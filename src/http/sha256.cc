#include "http/sha256.h"

#include <absl/strings/escaping.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <utility>

namespace runlet::http {
namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

std::string Hex(const Digest& digest) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace

std::string Sha256Hex(std::string_view text) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return Hex(digest);
}

struct Sha256Pieces::Context {
  Context() { EVP_DigestInit_ex(it, EVP_sha256(), nullptr); }
  ~Context() { EVP_MD_CTX_free(it); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  EVP_MD_CTX* const it = EVP_MD_CTX_new();
};

Sha256Pieces::Sha256Pieces() = default;
Sha256Pieces::~Sha256Pieces() = default;

void Sha256Pieces::Add(std::string_view piece) {
  if (context_ == nullptr) context_ = std::make_unique<Context>();
  EVP_DigestUpdate(context_->it, piece.data(), piece.size());
}

std::string Sha256Pieces::TakeHex() {
  const std::unique_ptr<Context> context = std::move(context_);
  if (context == nullptr) return {};
  Digest digest;
  return EVP_DigestFinal_ex(context->it, digest.data(), nullptr) == 1 ? Hex(digest) : std::string();
}

}  // namespace runlet::http
