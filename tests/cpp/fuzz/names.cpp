// libFuzzer's target for the text and bytes that say who comes: a session's first look at a connection, before OpenSSL
// sees any of it (src/net/client_hello.h), a node's identity, and a ticket (src/engine/ticket.h).

#include "engine/ticket.h"
#include "expect.h"
#include "net/client_hello.h"

using namespace avenir;
using fuzz::expect;

namespace {

// More bytes never bring back what was foreign, nor change what is known.
void judge(const uint8_t* data, size_t size) {
  net::FirstBytes before = net::FirstBytes::kTooFew;
  for (size_t n = 0; n <= size; ++n) {
    const net::FirstBytes now = net::judge_first_bytes(data, n);
    expect(before == net::FirstBytes::kTooFew || now == before);
    before = now;
  }
}

void read_identity(const std::string& text) {
  expect(engine::parse_identity(text).text() == text);
  expect(engine::identity_of(text).text() == text);
}

void read_ticket(const std::string& text) {
  const engine::Ticket ticket = engine::Ticket::parse(text);
  expect(engine::Ticket::parse(ticket.line()).line() == ticket.line());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  judge(data, size);
  const std::string identity = net::only_identity(data, size);
  expect(identity.empty() || net::is_identity(identity));
  const std::string text(reinterpret_cast<const char*>(data), size);
  fuzz::refused_at_worst(base::ErrorKind::kInvalid, [&] { read_identity(text); });
  fuzz::refused_at_worst(base::ErrorKind::kInvalid, [&] { read_ticket(text); });
  return 0;
}
