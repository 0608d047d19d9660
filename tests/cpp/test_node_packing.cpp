#include <doctest/doctest.h>

#include "engine/node_channel.h"
#include "net/zstd.h"
#include "plain_stream.h"
#include "support.h"
#include "sys/socket_pair.h"

// Parts that travel packed, by two ends of a connection in one process, and by an end that says what none says.

using avenir::engine::NodeChannel;
using avenir::wire::FrameType;
using avenir::wire::PartHead;
using namespace avenir::testing;
namespace base = avenir::base;
namespace net = avenir::net;
namespace sys = avenir::sys;
namespace wire = avenir::wire;

namespace {

const bool kLacking = !net::zstd_missing().empty();

// The same short text over and over.
base::SharedBytes monotonous(size_t size) {
  base::SharedBytes bytes = base::SharedBytes::allocate(size);
  for (size_t i = 0; i < size; ++i) bytes.writable()[i] = static_cast<uint8_t>("monotonous"[i % 10]);
  return bytes;
}

base::SharedBytes confused(size_t size) {
  base::SharedBytes bytes = base::SharedBytes::allocate(size);
  uint64_t state = 1;
  for (size_t i = 0; i < size; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    bytes.writable()[i] = static_cast<uint8_t>(state >> 56);
  }
  return bytes;
}

bool same(const base::SharedBytes& a, const base::SharedBytes& b) {
  return a.size() == b.size() && std::equal(a.data(), a.data() + a.size(), b.data());
}

// A channel, and the socket at whose other end somebody else is, who has been greeted: parts come after that only.
struct Ends {
  sys::FdPair pair = sys::make_socket_pair();
  int socket = pair.second.get();
  NodeChannel channel{std::make_unique<PlainStream>(std::move(pair.first))};

  Ends() { hear(FrameType::kNodeStatus, {}); }

  // What the channel takes of one frame.
  void hear(FrameType type, const base::Bytes& body) {
    const wire::FrameHeader header{type, 0, 0, body.size()};
    sys::write_all(socket, &header, sizeof header);
    sys::write_all(socket, body.data(), body.size());
    std::vector<wire::Frame> frames;
    channel.receive(frames);
  }
};

// One channel says something, and the other hears it after all that was sent before.
void speaks(NodeChannel& from, NodeChannel& to) {
  from.push(FrameType::kNodeStatus, 0);
  std::vector<wire::Frame> frames;
  while (frames.empty()) {
    from.flush();
    to.receive(frames);
  }
}

// One channel sends `bytes`, the other takes them.
void travels(NodeChannel& from, NodeChannel& to, const base::SharedBytes& bytes) {
  const uint64_t number = from.push_thing(bytes);
  speaks(from, to);
  CHECK(same(to.take({0, number}).bytes(), bytes));
}

base::Bytes packed_part(uint64_t total, uint64_t claimed, const base::SharedBytes& packed) {
  base::ByteWriter body;
  body.put(PartHead{{0, 1}, total, 0});
  body.put(claimed);
  body.put_bytes(packed.data(), packed.size());
  return body.take();
}

}  // namespace

TEST_CASE("what is packed is unpacked as it was, and is smaller by an eighth at least" * doctest::skip(kLacking)) {
  net::Packer packer;
  const base::SharedBytes bytes = monotonous(1 << 20);
  const auto packed = packer.pack(bytes);
  REQUIRE(packed);
  CHECK(packed->size() < bytes.size() / 100);
  CHECK(same(packer.unpack(packed->data(), packed->size(), bytes.size()), bytes));
  CHECK(!packer.pack(monotonous(100)));
  CHECK(packer.pack(bytes));
}

TEST_CASE("after what cannot be made smaller some is not tried, and then again" * doctest::skip(kLacking)) {
  net::Packer packer;
  CHECK(!packer.pack(confused(1 << 20)));
  const base::SharedBytes bytes = monotonous(1 << 20);
  int tries = 1;
  while (!packer.pack(bytes) && tries < 100) ++tries;
  CHECK(tries > 1);
  CHECK(tries < 100);
}

TEST_CASE("a large thing arrives as it was, packed or not, in either direction" * doctest::skip(kLacking)) {
  sys::FdPair pair = sys::make_socket_pair();
  NodeChannel a(std::make_unique<PlainStream>(std::move(pair.first)));
  NodeChannel b(std::make_unique<PlainStream>(std::move(pair.second)));
  speaks(a, b);
  speaks(b, a);
  travels(a, b, monotonous(5 << 20));
  for (NodeChannel* const channel : {&a, &b}) {
    channel->unpack();
    channel->pack();
  }
  for (const size_t size : {size_t{1}, size_t{5000}, size_t{1} << 20, (size_t{5} << 20) + 3}) {
    travels(a, b, monotonous(size));
    travels(b, a, confused(size));
    travels(b, a, monotonous(size));
  }
}

TEST_CASE("parts come packed only after that was agreed on" * doctest::skip(kLacking)) {
  net::Packer packer;
  const base::SharedBytes bytes = monotonous(1 << 20);
  const base::Bytes part = packed_part(bytes.size(), bytes.size(), *packer.pack(bytes));
  Ends deaf;
  CHECK_THROWS_AS(deaf.hear(FrameType::kNodePackedPart, part), base::Error);
  Ends agreed;
  agreed.channel.unpack();
  agreed.hear(FrameType::kNodePackedPart, part);
  CHECK(same(agreed.channel.take({0, 1}).bytes(), bytes));
}

TEST_CASE("a packed part that holds more, less or other than it says is refused" * doctest::skip(kLacking)) {
  net::Packer packer;
  const base::SharedBytes bytes = monotonous(1 << 20), packed = *packer.pack(bytes), twice = [&] {
    base::SharedBytes both = base::SharedBytes::allocate(2 * packed.size());
    std::copy_n(packed.data(), packed.size(), both.writable());
    std::copy_n(packed.data(), packed.size(), both.writable() + packed.size());
    return both;
  }();
  const uint64_t size = bytes.size();
  const auto refused = [](const base::Bytes& part) {
    Ends ends;
    ends.channel.unpack();
    CHECK_THROWS_AS(ends.hear(FrameType::kNodePackedPart, part), base::Error);
  };
  for (const uint64_t claim : {uint64_t{0}, uint64_t{1}, size - 1, size + 1, uint64_t{1} << 40, ~uint64_t{0}}) {
    refused(packed_part(size, claim, packed));
    refused(packed_part(claim, claim, packed));
  }
  refused(packed_part(size - 1, size, packed));
  refused(packed_part(2 * size, size, twice));
  refused(packed_part(size, size, bytes.slice(0, 1000)));
  const base::Bytes whole = packed_part(size, size, packed);
  for (size_t length = 0; length < whole.size(); ++length) refused(base::Bytes(whole.begin(), whole.begin() + length));
}

TEST_CASE("a packed part with a flipped bit is refused, or is of the size that it says" * doctest::skip(kLacking)) {
  net::Packer packer;
  const base::SharedBytes bytes = monotonous(1 << 16), packed = *packer.pack(bytes);
  for (size_t bit = 0; bit < 8 * packed.size(); ++bit) {
    base::SharedBytes other = base::SharedBytes::copy(packed.data(), packed.size());
    other.writable()[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    try {
      const size_t size = packer.unpack(other.data(), other.size(), bytes.size()).size();
      CHECK(size == bytes.size());
    } catch (const base::Error& error) {
      CHECK(error.kind() == base::ErrorKind::kDisconnected);
    }
  }
}

// A frame of zstd by hand, that announces 2^62 bytes in 18: magic, descriptor (8 bytes of size, one segment), size, an
// empty last block.
TEST_CASE("a bomb makes no room for what it announces" * doctest::skip(kLacking)) {
  const uint8_t bomb[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0};
  for (const uint64_t claim : {uint64_t{1} << 62, uint64_t{1} << 20, uint64_t{1}}) {
    Ends ends;
    ends.channel.unpack();
    const base::Bytes part = packed_part(uint64_t{1} << 20, claim, base::SharedBytes::copy(bomb, sizeof bomb));
    CHECK_THROWS_AS(ends.hear(FrameType::kNodePackedPart, part), base::Error);
  }
}
