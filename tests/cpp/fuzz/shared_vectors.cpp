// libFuzzer's target for what stands in shared memory and in streams that refer to it (src/shm/vector_record.h).

#include <cstring>

#include "expect.h"
#include "shm/vector_record.h"

using namespace avenir;
using fuzz::expect;

namespace {

void read_record(const uint8_t* data, size_t size) {
  const shm::VectorRecord record = shm::decode_vector_record(data, size);
  const size_t each = shm::element_size(record.type);
  expect(record.length > 0 && record.offset % shm::kVectorAlignment == 0);
  expect(each == 0 || record.bytes / each == record.length);
}

void read_table(const uint8_t* data, size_t size, uint64_t length) {
  const shm::StringTable table(data, size, length);
  for (uint64_t i = 0; i < table.count(); ++i) {
    const auto text = table.at(i);
    const auto* const begin = reinterpret_cast<const uint8_t*>(text.data);
    expect(begin >= data && begin + text.size <= data + size);
    uint64_t sum = 0;  // every byte can be read
    for (int k = 0; k < text.size; ++k) sum += begin[k];
    expect(sum <= 255 * static_cast<uint64_t>(text.size));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using base::ErrorKind;
  fuzz::refused_at_worst(ErrorKind::kInvalid, [&] { read_record(data, size); });
  uint64_t count = 0;
  if (size >= sizeof count) std::memcpy(&count, data, sizeof count);
  fuzz::refused_at_worst(ErrorKind::kInvalid, [&] { read_table(data, size, count); });
  return 0;
}
