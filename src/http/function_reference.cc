#include "http/function_reference.h"

#include <algorithm>

#include "http/percent.h"

namespace runlet::http {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsLetter(char c) { return IsLower(c) || (c >= 'A' && c <= 'Z'); }
bool IsWord(char c) { return IsLetter(c) || IsDigit(c) || c == '-' || c == '_'; }

template <typename Predicate>
bool AllOf(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

bool Skip(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// Up to the next colon, which goes too. Nothing where there is no colon.
std::optional<std::string_view> Field(std::string_view* text) {
  const std::size_t colon = text->find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view field = text->substr(0, colon);
  text->remove_prefix(colon + 1);
  return field;
}

// "aws", "aws-cn" or nothing.
bool IsPartition(std::string_view text) {
  return text.empty() || (Skip(&text, "aws") && AllOf(text, [](char c) { return IsLetter(c) || c == '-'; }));
}

// "-east-1".
bool IsRegionEnd(std::string_view text) {
  if (!Skip(&text, "-")) return false;
  const std::size_t dash = text.find('-');
  return dash != std::string_view::npos && dash > 0 && AllOf(text.substr(0, dash), IsLower) &&
         text.size() == dash + 2 && IsDigit(text.back());
}

// "us-east-1", "us-gov-west-1".
bool IsRegion(std::string_view text) {
  if (text.size() < 2 || !IsLower(text[0]) || !IsLower(text[1])) return false;
  text.remove_prefix(2);
  return IsRegionEnd(text) || (Skip(&text, "-gov") && IsRegionEnd(text));
}

bool IsAccount(std::string_view text) { return text.size() == 12 && AllOf(text, IsDigit); }

bool TakePrefix(std::string_view* text) {
  std::string_view rest = *text;
  if (!Skip(&rest, "arn:")) return false;
  const std::optional<std::string_view> partition = Field(&rest);
  if (!partition || !IsPartition(*partition) || !Skip(&rest, "lambda:")) return false;
  *text = rest;
  return true;
}

// Takes the next field where it is one of the kind.
bool TakeField(std::string_view* text, bool (*is_kind)(std::string_view), std::string* field) {
  std::string_view rest = *text;
  const std::optional<std::string_view> found = Field(&rest);
  if (!found || !is_kind(*found)) return false;
  *field = *found;
  *text = rest;
  return true;
}

bool ParseName(std::string_view text, FunctionReference* reference) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  if (name.empty() || !AllOf(name, [](char c) { return IsWord(c) || c == '.'; })) return false;
  reference->name = name;
  reference->qualifier.clear();
  if (colon == std::string_view::npos) return true;
  const std::string_view qualifier = text.substr(colon + 1);
  if (qualifier != "$LATEST" && (qualifier.empty() || !AllOf(qualifier, IsWord))) return false;
  reference->qualifier = qualifier;
  return true;
}

// The pattern's optional parts, each taken where it can be and left where what follows does not fit then: an account
// alone, a function called "function".
bool ParseFrom(int part, std::string_view text, FunctionReference* reference) {
  constexpr int kParts = 4;
  if (part == kParts) return ParseName(text, reference);
  std::string_view rest = text;
  std::string* const field = part == 1 ? &reference->region : &reference->account;
  bool taken = false;
  switch (part) {
    case 0: taken = TakePrefix(&rest); break;
    case 1: taken = TakeField(&rest, IsRegion, field); break;
    case 2: taken = TakeField(&rest, IsAccount, field); break;
    default: taken = Skip(&rest, "function:"); break;
  }
  if (taken && ParseFrom(part + 1, rest, reference)) return true;
  if (taken && (part == 1 || part == 2)) field->clear();
  return ParseFrom(part + 1, text, reference);
}

}  // namespace

std::optional<FunctionReference> ParseFunctionReference(std::string_view text) {
  const std::optional<std::string> decoded = PercentDecoded(text);
  if (!decoded || decoded->size() > kFunctionReferenceMax) return std::nullopt;
  FunctionReference reference;
  if (!ParseFrom(0, *decoded, &reference)) return std::nullopt;
  return reference;
}

}  // namespace runlet::http
