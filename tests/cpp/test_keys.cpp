#include <doctest/doctest.h>
#include <sys/mman.h>

#include "net/key.h"
#include "net/tls_missing.h"
#include "support.h"

using namespace avenir::net;
using namespace avenir::testing;
using avenir::base::ErrorKind;

namespace {

Key counted() {
  Key key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i);
  return key;
}

}  // namespace

TEST_CASE("a key in hexadecimal digits reads back") {
  CHECK(to_hex(counted()) == "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  CHECK(key_of_hex(to_hex(counted())) == counted());
  CHECK(key_of_hex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F") == counted());
}

TEST_CASE("what is no key in hexadecimal digits is refused, and not repeated") {
  const std::string digits = to_hex(counted());
  for (const std::string& bad :
       {std::string(), digits.substr(1), digits + "0", "g" + digits.substr(1), digits.substr(2) + " 1"}) {
    CHECK(error_kind_of([&] { key_of_hex(bad); }) == ErrorKind::kInvalid);
    if (!bad.empty()) CHECK(error_message_of([&] { key_of_hex(bad); }).find(bad) == std::string::npos);
  }
}

TEST_CASE("a wiped key is zeros") {
  Key key = counted();
  wipe(key);
  CHECK(key == Key{});
  std::string secret = "secret";
  wipe(secret);
  CHECK(secret.empty());
}

TEST_CASE("a kept key is there, and zeros in a fork's child") {
  const KeptKey kept(counted());
  CHECK(kept.get() == counted());
#ifdef MADV_WIPEONFORK
  CHECK(exit_code_of_child([&] { return kept.get() == Key{} ? 0 : 1; }) == 0);
#endif
}

#ifndef AVENIR_NO_TLS

TEST_CASE("keys are made and derived where OpenSSL is") {
  REQUIRE(tls_missing() == "");
  CHECK(random_key() != random_key());
}

// HKDF-SHA256 of the bytes 0 to 31 without salt, by another program (Python's hmac).
TEST_CASE("derived keys are HKDF's, one for each label") {
  CHECK(to_hex(derive(counted(), "")) == "37ad29109f43265287804b674e2653d0a513718907f97fca97c95bded8104bbf");
  CHECK(to_hex(derive(counted(), "plan/1")) == "a4c26dfb5e264e594d76d083114d67153e9aa4589b886b780c92b3a14d03fea9");
  CHECK(derive(counted(), "plan/1") != derive(counted(), "plan/2"));
}

#else

TEST_CASE("without OpenSSL whatever needs it says how to get it") {
  REQUIRE(tls_missing().find("libssl-dev") != std::string::npos);
  CHECK(error_message_of([] { random_key(); }) == tls_missing());
  CHECK(error_message_of([] { derive(counted(), "x"); }) == tls_missing());
  CHECK(error_kind_of([] { random_key(); }) == ErrorKind::kUnsupported);
}

#endif
