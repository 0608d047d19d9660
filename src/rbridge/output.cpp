#include "rbridge/output.h"

#include <algorithm>

namespace avenir::rbridge {

namespace {

constexpr uint64_t kUsualLimit = uint64_t{64} << 20;
constexpr uint64_t kMost = (uint64_t{1} << 31) - 1024;  // with the note it still is a string

// At most `limit` bytes of more than that, and as a rule not the first part of a character of UTF-8.
uint64_t whole_characters(const uint8_t* bytes, uint64_t limit) {
  for (uint64_t cut = limit; cut + 4 > limit; --cut)
    if ((bytes[cut] & 0xc0) != 0x80) return cut;
  return limit;
}

std::string with_commas(uint64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

}  // namespace

uint64_t output_limit() {
  const SEXP option = Rf_GetOption1(Rf_install("avenir.output.limit"));
  const double limit = Rf_isNumeric(option) && XLENGTH(option) == 1 ? Rf_asReal(option) : NA_REAL;
  if (ISNAN(limit)) return kUsualLimit;
  if (limit >= static_cast<double>(kMost)) return kMost;
  return limit <= static_cast<double>(kAlwaysKept) ? kAlwaysKept : static_cast<uint64_t>(limit);
}

std::string output_text(const uint8_t* bytes, uint64_t size, uint64_t limit) {
  const uint64_t kept = size > limit ? whole_characters(bytes, limit) : size;
  std::string text(reinterpret_cast<const char*>(bytes), static_cast<size_t>(kept));
  text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
  if (kept == size) return text;
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text + "[avenir: " + with_commas(size - kept) +
         " more bytes of output were dropped; see option avenir.output.limit]\n";
}

SEXP output_string(const std::string& text) {
  const SEXP line = PROTECT(Rf_mkCharLen(text.data(), static_cast<int>(text.size())));
  const SEXP string = Rf_ScalarString(line);
  UNPROTECT(1);
  return string;
}

}  // namespace avenir::rbridge
