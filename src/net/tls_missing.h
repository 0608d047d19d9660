#pragma once

#include <string>

namespace avenir::net {

// Empty when encrypted connections work here. Else a sentence that says what is missing and how to get it: no OpenSSL
// when avenir was built, its library cannot be loaded now, or is too old. Everything else in this room then throws
// kUnsupported with that sentence.
std::string tls_missing();

}  // namespace avenir::net
