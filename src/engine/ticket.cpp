#include "engine/ticket.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace avenir::engine {

namespace {

constexpr char kMark[] = "avenir-ticket";
constexpr char kVersion[] = "1";
constexpr size_t kLongestName = 64;

[[noreturn]] void refuse(const std::string& what) { throw base::Error(base::ErrorKind::kInvalid, what); }

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == at)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

uint32_t number_of(const std::string& text, uint32_t most, const char* what) {
  uint32_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size() || number > most)
    refuse(std::string(what) + " is not a whole number up to " + std::to_string(most));
  return number;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : ",") + part;
  return all;
}

}  // namespace

Ticket Ticket::parse(const std::string& text) {
  std::string line = text;
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' ')) line.pop_back();
  const std::vector<std::string> parts = split(line, ' ');
  if (parts.size() != 8 || parts[0] != kMark)
    refuse("this is no ticket of a session: one line that begins with \"avenir-ticket\" and has 8 words was expected");
  if (parts[1] != kVersion)
    refuse("the ticket is of version " + parts[1] + ": install the same version of avenir here");
  Ticket ticket;
  ticket.addresses = split(parts[2], ',');
  ticket.port = static_cast<uint16_t>(number_of(parts[3], 65535, "the ticket's port"));
  ticket.plan = parts[4];
  ticket.group = parts[5];
  ticket.key = net::key_of_hex(parts[6]);
  ticket.count = number_of(parts[7], 1000000, "the ticket's number of nodes");
  check_group(ticket.group);
  return ticket;
}

std::string Ticket::line() const {
  return std::string(kMark) + " " + kVersion + " " + joined(addresses) + " " + std::to_string(port) + " " + plan + " " +
         group + " " + net::to_hex(key) + " " + std::to_string(count);
}

std::string NodeIdentity::text() const {
  return plan + "/" + group + "/" + std::to_string(rank) + "/" + std::to_string(attempt);
}

NodeIdentity parse_identity(const std::string& text) {
  const std::vector<std::string> parts = split(text, '/');
  if (parts.size() != 4) refuse("an identity has four parts");
  NodeIdentity identity{parts[0], parts[1], number_of(parts[2], 1000000, "a rank"),
                        number_of(parts[3], 1000000, "an attempt")};
  if (identity.text() != text) refuse("an identity is written in one way only");
  return identity;
}

NodeIdentity identity_of(const std::string& text) {
  try {
    return parse_identity(text);
  } catch (const base::Error&) {
    return {"", text, 0, 0};
  }
}

net::Key group_key(const net::Key& secret, const std::string& plan, const std::string& group) {
  return net::derive(secret, plan + "/" + group);
}

void check_group(const std::string& name) {
  const auto allowed = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (name.empty() || name.size() > kLongestName || !std::all_of(name.begin(), name.end(), allowed))
    refuse("a group's name has 1 to 64 letters, digits, \".\", \"_\" and \"-\"");
}

}  // namespace avenir::engine
