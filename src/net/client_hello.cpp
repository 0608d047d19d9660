#include "net/client_hello.h"

#include <algorithm>

#include "base/bytes.h"

namespace avenir::net {

namespace {

constexpr size_t kRecordHeader = 5, kMessageHeader = 4;
constexpr size_t kLongestRecord = 4096 - kRecordHeader;
constexpr uint8_t kHandshake = 22, kClientHello = 1, kMajorVersion = 3;

size_t read_u16(base::ByteReader& reader) {
  const size_t high = reader.get<uint8_t>();
  return high << 8 | reader.get<uint8_t>();
}

bool could_begin(const uint8_t* data, size_t size) {
  if (size > 0 && data[0] != kHandshake) return false;
  if (size > 1 && data[1] != kMajorVersion) return false;
  return size <= kRecordHeader || data[kRecordHeader] == kClientHello;
}

}  // namespace

FirstBytes judge_first_bytes(const uint8_t* data, size_t size) {
  if (!could_begin(data, size)) return FirstBytes::kForeign;
  if (size < kRecordHeader + kMessageHeader) return FirstBytes::kTooFew;
  const size_t record = size_t{data[3]} << 8 | data[4];
  const size_t message = size_t{data[6]} << 16 | size_t{data[7]} << 8 | data[8];
  const bool whole = record <= kLongestRecord && record == message + kMessageHeader;
  return whole ? FirstBytes::kClientHello : FirstBytes::kForeign;
}

bool is_identity(const std::string& text) {
  return !text.empty() && text.size() <= 256 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::string only_identity(const uint8_t* extension, size_t size) {
  constexpr size_t kTicketAge = 4;
  if (size < 4) return "";
  base::ByteReader reader(extension, size);
  const size_t list = read_u16(reader);
  const size_t length = read_u16(reader);
  if (list != 2 + length + kTicketAge || length + kTicketAge > reader.left()) return "";
  const std::string identity(reinterpret_cast<const char*>(reader.take(length)), length);
  return is_identity(identity) ? identity : "";
}

}  // namespace avenir::net
