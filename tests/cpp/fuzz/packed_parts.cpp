// libFuzzer's target for packed parts of large things (src/net/zstd.h): bytes come back as they were, and what is no
// packed part of the size that was told is refused. The first four bytes are that size; an odd fifth one has the rest
// packed first.

#include <algorithm>

#include "expect.h"
#include "input.h"
#include "net/zstd.h"

using namespace avenir;
using base::SharedBytes;
using fuzz::expect;

namespace {

constexpr size_t kMost = size_t{1} << 20;

void round_trip(net::Packer& packer, fuzz::Input in) {
  SharedBytes bytes = SharedBytes::allocate(4096 + 16 * in.left());
  for (size_t i = 0; i < bytes.size(); ++i) bytes.writable()[i] = in.left() == 0 ? 0 : in.rest()[i % in.left()];
  const auto packed = packer.pack(bytes);
  if (!packed) return;
  expect(packed->size() <= bytes.size() - bytes.size() / 8);
  const SharedBytes back = packer.unpack(packed->data(), packed->size(), bytes.size());
  expect(std::equal(back.data(), back.data() + back.size(), bytes.data(), bytes.data() + bytes.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const packer = new net::Packer;
  fuzz::Input in(data, size);
  const size_t told = in.get<uint32_t>() % kMost;
  if (in.get<uint8_t>() % 2 == 1) round_trip(*packer, in);
  fuzz::refused_at_worst(base::ErrorKind::kDisconnected,
                         [&] { expect(packer->unpack(in.rest(), in.left(), told).size() == told); });
  return 0;
}
