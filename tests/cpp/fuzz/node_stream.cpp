// libFuzzer's target for the bytes of a connection between a session and a node: frames, and parts of large things
// (src/engine/node_channel.h). The first byte says in what pieces the rest arrives; that makes no difference.

#include <algorithm>

#include "engine/node_channel.h"
#include "expect.h"

using namespace avenir;
using fuzz::expect;

namespace {

// Gives `piece` bytes at a time; then its other side has hung up.
class FedStream final : public sys::ByteStream {
 public:
  FedStream(const uint8_t* data, size_t size, size_t piece) : data_(data), left_(size), piece_(piece) {}
  int fd() const override { return -1; }
  sys::IoStatus read(uint8_t* target, size_t room, size_t& moved) override {
    moved = std::min({room, left_, piece_});
    if (moved == 0) return sys::IoStatus::kClosed;
    std::copy_n(data_, moved, target);
    data_ += moved;
    left_ -= moved;
    return sys::IoStatus::kDone;
  }
  sys::IoStatus write(const uint8_t*, size_t size, size_t& moved) override {
    moved = size;
    return sys::IoStatus::kDone;
  }
  bool has_buffered() const override { return false; }
  void abandon() override {}

 private:
  const uint8_t* data_;
  size_t left_, piece_;
};

std::vector<wire::Frame> frames_of(const uint8_t* data, size_t size, size_t piece) {
  engine::NodeChannel channel(std::make_unique<FedStream>(data, size, piece));
  std::vector<wire::Frame> frames;
  fuzz::refused_at_worst(base::ErrorKind::kDisconnected, [&] {
    while (channel.receive(frames) != sys::IoStatus::kClosed) {
    }
    for (const wire::Frame& frame : frames) {
      base::ByteReader in(frame.body);
      channel.take_payload(in, frame.body).bytes();
    }
  });
  return frames;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto at_once = frames_of(data + 1, size - 1, size);
  const auto in_pieces = frames_of(data + 1, size - 1, 1 + data[0]);
  // Of frames that came together with a broken one only those of whole pieces are told.
  for (size_t i = 0; i < std::min(at_once.size(), in_pieces.size()); ++i) {
    const auto &one = at_once[i].body, &other = in_pieces[i].body;
    expect(one.size() == other.size() && std::equal(one.data(), one.data() + one.size(), other.data()));
  }
  return 0;
}
