#pragma once

#include <cstdint>
#include <string>

#include "rbridge/r.h"

namespace avenir::rbridge {

// Of what one evaluation prints so many bytes are kept at least, whatever the option says.
constexpr uint64_t kAlwaysKept = 1024;

// How many bytes are kept: option `avenir.output.limit`. R thread.
uint64_t output_limit();

// The printed bytes as a string of R can hold them: at most `limit` of them, then with a note about the rest; no NULs.
std::string output_text(const uint8_t* bytes, uint64_t size, uint64_t limit);
// The text for R. May jump. Not protected.
SEXP output_string(const std::string& text);

}  // namespace avenir::rbridge
