// libFuzzer's target for what stands in shared memory and in streams that refer to it (src/shm/vector_record.h): any
// bytes are read inside their bounds, or refused with our own error. tools/soak.sh fuzz builds and runs it.

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "shm/vector_record.h"

using namespace avenir;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

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
    unsigned sum = 0;
    for (int k = 0; k < text.size; ++k) sum += begin[k];
    static volatile unsigned kept;
    kept = sum;
  }
}

template <typename Action>
void refused_at_worst(const Action& action) {
  try {
    action();
  } catch (const base::Error& error) {
    expect(error.kind() == base::ErrorKind::kInvalid);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  refused_at_worst([&] { read_record(data, size); });
  uint64_t count = 0;
  if (size >= sizeof count) std::memcpy(&count, data, sizeof count);
  refused_at_worst([&] { read_table(data, size, count); });
  return 0;
}
