#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace avenir::net {

// What an unauthenticated peer sends first, looked at before OpenSSL sees any of it.
enum class FirstBytes { kTooFew, kClientHello, kForeign };

// A ClientHello in a single record of at most 4 KiB, as our client sends it (it needs about 300 bytes).
FirstBytes judge_first_bytes(const uint8_t* data, size_t size);

// 1 to 256 printable ASCII characters, no blank.
bool is_identity(const std::string& text);

// The identity in the pre_shared_key extension (RFC 8446, 4.2.11); empty when there is not exactly one, or it is none.
std::string only_identity(const uint8_t* extension, size_t size);

}  // namespace avenir::net
