#include <doctest/doctest.h>

#include "base/bytes.h"
#include "support.h"

using avenir::base::ByteReader;
using avenir::base::ByteWriter;
using avenir::base::ErrorKind;
using avenir::base::SharedBytes;
using namespace avenir::testing;

TEST_CASE("what a ByteWriter puts a ByteReader gets, in the same order") {
  ByteWriter out;
  out.put<uint32_t>(7);
  out.put<double>(-0.5);
  out.put_string("");
  out.put_string("zwei");
  const auto written = out.take();
  ByteReader in(written.data(), written.size());
  CHECK(in.get<uint32_t>() == 7);
  CHECK(in.get<double>() == -0.5);
  CHECK(in.get_string().empty());
  CHECK(in.get_string() == "zwei");
  CHECK(in.left() == 0);
}

TEST_CASE("reading past the end is an error that treats the writer as gone") {
  const uint8_t three[3] = {1, 2, 3};
  ByteReader in(three, sizeof three);
  CHECK(error_kind_of([&] { in.get<uint32_t>(); }) == ErrorKind::kDisconnected);
  CHECK(error_message_of([&] { in.get<uint32_t>(); }) == "a message ends 1 bytes early");
  CHECK(in.left() == 3);
  CHECK(in.get<uint8_t>() == 1);
}

TEST_CASE("a string that announces more bytes than there are is refused, be it 2^64 - 1") {
  for (const uint64_t announced : {uint64_t{2}, ~uint64_t{0}}) {
    ByteWriter out;
    out.put(announced);
    out.put('x');
    ByteReader in(out.bytes().data(), out.bytes().size());
    CHECK(error_kind_of([&] { in.get_string(); }) == ErrorKind::kDisconnected);
  }
}

TEST_CASE("a slice shares its bytes and keeps them alive") {
  SharedBytes part;
  {
    const SharedBytes all = shared("abcdef");
    part = all.slice(2, 3);
    CHECK(part.data() == all.data() + 2);
  }
  CHECK(text(part) == "cde");
  CHECK(text(part.slice(1, 2)) == "de");
  CHECK(part.slice(3, 0).size() == 0);
}

TEST_CASE("a slice cannot leave its bytes, neither by its offset nor by a length that wraps") {
  const SharedBytes all = shared("abcdef");
  CHECK(error_kind_of([&] { all.slice(7, 0); }) == ErrorKind::kInternal);
  CHECK(error_kind_of([&] { all.slice(4, 3); }) == ErrorKind::kInternal);
  CHECK(error_kind_of([&] { all.slice(4, ~size_t{0}); }) == ErrorKind::kInternal);
}

TEST_CASE("a view keeps its owner alive and copies nothing") {
  auto owner = std::make_shared<std::string>("held");
  const std::weak_ptr<std::string> watched = owner;
  const auto* const data = reinterpret_cast<const uint8_t*>(owner->data());
  SharedBytes view = SharedBytes::view(std::move(owner), data, 4);
  CHECK(view.data() == data);
  CHECK_FALSE(watched.expired());
  view = SharedBytes();
  CHECK(watched.expired());
}

TEST_CASE("a copy of nothing is empty") {
  CHECK(SharedBytes::copy(nullptr, 0).size() == 0);
  CHECK(SharedBytes().size() == 0);
}
