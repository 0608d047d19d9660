// libFuzzer's target for what nodes and sessions send each other (src/wire/node_message.h): the first byte chooses the
// message, the rest is its body. What is read and written again reads as the same bytes.

#include "expect.h"
#include "wire/node_message.h"

using namespace avenir;
using base::SharedBytes;
using fuzz::expect;

namespace {

template <typename Message>
void read_whole(const SharedBytes& body) {
  const base::Bytes once = Message::decode(body).encode();
  expect(Message::decode(wire::to_shared(once)).encode() == once);
}

void read_work(const SharedBytes& body) {
  const auto read = [](const SharedBytes& bytes) {
    base::ByteReader in(bytes);
    base::ByteWriter out;
    wire::encode_work(wire::decode_work(in), out);
    return out.take();
  };
  const base::Bytes once = read(body);
  expect(once.size() <= body.size() && read(wire::to_shared(once)) == once);
}

void read_answers(const SharedBytes& body) {
  const auto read = [](const SharedBytes& bytes) {
    base::ByteWriter out;
    for (const wire::NodeAnswer& answer : wire::decode_node_answers(bytes)) wire::encode_node_answer(answer, out);
    return out.take();
  };
  const base::Bytes once = read(body);
  expect(once.size() == body.size() && read(wire::to_shared(once)) == once);
}

void read_losses(const SharedBytes& body) {
  const base::Bytes once = wire::encode_losses(wire::decode_losses(body));
  expect(wire::encode_losses(wire::decode_losses(wire::to_shared(once))) == once);
}

void read_message(uint8_t which, const SharedBytes& body) {
  switch (which % 6) {
    case 0:
      return read_whole<wire::NodeHello>(body);
    case 1:
      return read_whole<wire::NodeWelcome>(body);
    case 2:
      return read_whole<wire::NodeStatus>(body);
    case 3:
      return read_work(body);
    case 4:
      return read_answers(body);
    default:
      return read_losses(body);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const SharedBytes body = SharedBytes::copy(data + 1, size - 1);
  fuzz::refused_at_worst(base::ErrorKind::kDisconnected, [&] { read_message(data[0], body); });
  return 0;
}
