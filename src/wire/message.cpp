#include "wire/message.h"

namespace avenir::wire {

base::SharedBytes to_shared(const base::Bytes& bytes) { return base::SharedBytes::copy(bytes.data(), bytes.size()); }

base::Bytes HelloMessage::encode() const {
  base::ByteWriter out;
  out.put(protocol);
  out.put(pid);
  out.put_string(temp_folder);
  return out.take();
}

HelloMessage HelloMessage::decode(const base::SharedBytes& body) {
  base::ByteReader in(body);
  HelloMessage hello;
  hello.protocol = in.get<uint32_t>();
  hello.pid = in.get<int32_t>();
  hello.temp_folder = in.get_string();
  return hello;
}

namespace {

AnswerHead checked(AnswerHead head) {
  if (head.kind != AnswerKind::kValue && head.kind != AnswerKind::kRecord)
    throw base::Error(base::ErrorKind::kDisconnected, "an answer of a kind that no worker may send");
  return head;
}

}  // namespace

std::vector<Answer> decode_answers(const base::SharedBytes& body) {
  std::vector<Answer> answers;
  constexpr size_t kUsual = 64;  // bytes of a small answer
  answers.reserve(body.size() / kUsual + 1);
  base::ByteReader in(body);
  while (in.left() > 0) {
    const auto head = checked(in.get<AnswerHead>());
    const uint8_t* const at = in.take(head.length);
    answers.push_back({head.element, head.kind, body.slice(static_cast<size_t>(at - body.data()), head.length)});
  }
  return answers;
}

AnswerHead decode_answer_head(const base::SharedBytes& body) {
  return checked(base::ByteReader(body).get<AnswerHead>());
}

void LostMessage::encode(base::ByteWriter& out) const {
  out.put(worker);
  out.put(pid);
  out.put(signal);
  out.put(exit_code);
  out.put(status_known);
  out.put(cause);
  out.put(memory_watched);
  out.put(element);
  out.put_string(log);
  out.put_string(note);
  out.put_string(host);
}

LostMessage LostMessage::decode(base::ByteReader& in) {
  LostMessage lost;
  lost.worker = in.get<uint32_t>();
  lost.pid = in.get<int32_t>();
  lost.signal = in.get<int32_t>();
  lost.exit_code = in.get<int32_t>();
  lost.status_known = in.get<uint32_t>();
  lost.cause = in.get<LossCause>();
  lost.memory_watched = in.get<uint32_t>();
  lost.element = in.get<uint64_t>();
  lost.log = in.get_string();
  lost.note = in.get_string();
  lost.host = in.get_string();
  return lost;
}

base::Bytes encode_losses(const std::vector<LostMessage>& losses) {
  base::ByteWriter out;
  for (const LostMessage& lost : losses) lost.encode(out);
  return out.take();
}

std::vector<LostMessage> decode_losses(const base::SharedBytes& body) {
  base::ByteReader in(body);
  std::vector<LostMessage> losses;
  while (in.left() > 0) losses.push_back(LostMessage::decode(in));
  return losses;
}

}  // namespace avenir::wire
