// libFuzzer's target for the files in memory that processes share: a map's data (src/shm/job_data.h), its task table
// (src/shm/task_table.h), and segments with vectors in them (src/shm/segment.h). The first byte chooses, the rest is
// the file. What is read lies inside, or is refused; data that are read and written again read the same.

#include "expect.h"
#include "input.h"
#include "shm/job_data.h"
#include "shm/segment.h"
#include "shm/task_table.h"
#include "shm/vector_record.h"
#include "sys/memory_file.h"

using namespace avenir;
using base::SharedBytes;
using fuzz::expect;

namespace {

constexpr uint64_t kMost = 12;  // places that are looked at

uint64_t sum_of(const SharedBytes& bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) sum += bytes.data()[i];
  return sum;
}

template <typename Action>
bool refused(const Action& action) {
  bool done = false;
  fuzz::refused_at_worst(base::ErrorKind::kDisconnected, [&] {
    action();
    done = true;
  });
  return !done;
}

// ---- A map's data

// All that can be asked of it, as bytes.
base::Bytes read_data(const shm::JobData& data) {
  base::ByteWriter told;
  const auto tell = [&](const auto& ask) { told.put(refused([&] { told.put(ask()); })); };
  told.put(data.count());
  told.put(data.units());
  told.put(sum_of(data.context()));
  told.put(sum_of(data.whole()));
  for (uint64_t i = 0; i < kMost; ++i) {
    tell([&] { return sum_of(data.element(i)); });
    tell([&] { return data.number_of(i); });
    tell([&] {
      const uint64_t element = data.element_at(i);
      expect(element == i || element < data.count());
      return element;
    });
    tell([&] {
      const auto unit = data.unit(i);
      expect(!data.explicit_units() || (unit.first <= unit.second && unit.second <= data.count()));
      return unit.first + 3 * unit.second;
    });
  }
  if (const auto stream = data.stream()) told.put(*stream);
  return told.take();
}

void read_job_data(const uint8_t* data, size_t size) {
  const shm::JobData read = shm::JobData::read(SharedBytes::copy(data, size));
  const base::Bytes once = read_data(read);
  expect(read_data(shm::JobData::read(SharedBytes::copy(data, size))) == once);
}

// Parts of the input's choice, written and read.
void write_job_data(fuzz::Input in) {
  shm::JobDataParts parts;
  parts.count = in.below(16);
  parts.map = in.get<uint64_t>();
  for (std::vector<uint64_t>* list : {&parts.order, &parts.bounds, &parts.numbers})
    for (size_t left = in.below(8); left > 0; --left) list->push_back(in.get<uint8_t>());
  for (size_t left = in.below(8); left > 0; --left) parts.stream.push_back(in.get<int32_t>());
  const SharedBytes context = SharedBytes::copy(in.rest(), in.left() / 2);
  const SharedBytes elements = SharedBytes::copy(in.rest() + in.left() / 2, in.left() - in.left() / 2);
  parts.context = context;
  parts.elements = elements;
  const base::Bytes written = shm::encode_job_data(parts);
  const shm::JobData read = shm::JobData::read(SharedBytes::copy(written.data(), written.size()));
  expect(read.count() == parts.count && read.map() == parts.map);
  expect(sum_of(read.context()) == sum_of(context) && sum_of(read.whole()) == sum_of(elements));
  expect(read.stream().has_value() == (parts.stream.size() == 7));
  for (size_t i = 0; i < parts.numbers.size(); ++i) expect(read.number_of(i) == parts.numbers[i]);
  for (size_t i = 0; i < parts.order.size(); ++i)
    expect(refused([&] { expect(read.element_at(i) == parts.order[i]); }) == (parts.order[i] >= parts.count));
  read_data(read);
}

// ---- A task table

sys::OwnFd file_of(const uint8_t* data, size_t size) {
  sys::OwnFd fd = sys::make_memory_file("avenir-fuzz");
  sys::write_at(fd.get(), data, size, 0);
  return fd;
}

void read_table(const uint8_t* data, size_t size) {
  shm::TaskTable table = shm::TaskTable::attach(file_of(data, size));
  expect(sizeof(shm::TableHeader) + table.positions() * sizeof(uint32_t) <= size);
  expect(table.units() <= table.positions());
  for (uint64_t i = 0; i < table.positions(); ++i) {
    table.mark(i, shm::kStateClaimed, 1);
    expect(table.state(i) == (shm::kStateClaimed | 1));
  }
  uint64_t before = 0;
  for (uint64_t claims = 0; claims <= table.units(); ++claims) {
    const auto units = table.claim(2);
    expect(units.begin <= units.end && units.end <= table.units() && units.begin >= before);
    before = units.end;
  }
  expect(table.units_left() == 0);
  table.stop_from(table.positions() / 2);
  expect(table.stopped_from() <= table.positions() / 2 && table.stopped(table.positions()));
}

// ---- A segment: a vector's record, then what the segment has, from its beginning and from the next place on

void use_view(const shm::VectorRecord& record, const shm::ViewMemory& memory) {
  memory.data[0] = static_cast<uint8_t>(memory.data[0] + memory.data[record.bytes - 1]);
  if (record.type != shm::VectorType::kString) return;
  const shm::StringTable table(memory.data, record.bytes, record.length);
  for (uint64_t i = 0; i < table.count(); ++i) {
    const auto text = table.at(i);
    sum_of(SharedBytes::copy(text.data, static_cast<size_t>(text.size)));
  }
}

void read_segment(fuzz::Input in) {
  const uint8_t shape = in.get<uint8_t>();
  const auto record = in.get<shm::VectorRecord>();
  sys::OwnFd fd = file_of(in.rest(), in.left());
  if ((shape & 1) != 0) sys::write_at(fd.get(), in.rest(), in.left(), shm::kVectorAlignment);
  const uint64_t size = sys::file_size(fd.get());
  if ((shape & 2) != 0) sys::seal_against_writes(fd.get());
  const shm::SegmentRef ref{{1, 1}, (shape & 4) != 0 ? size : in.get<uint64_t>()};
  const auto segment = (shape & 8) != 0 ? shm::Segment::adopt_sent(ref, std::move(fd))
                                        : shm::Segment::adopt_result(ref, std::move(fd), nullptr);
  expect(ref.size == size && (shape & 2) != 0);
  const auto checked = shm::decode_vector_record(reinterpret_cast<const uint8_t*>(&record), sizeof record);
  use_view(checked, segment->view(checked.offset, checked.bytes));
  use_view(checked, segment->view(checked.offset, checked.bytes));  // of its own
  expect(segment->contents().size() == size);
}

// Two reasons to refuse one: the sender, or the record.
void try_segment(fuzz::Input in) {
  try {
    read_segment(in);
  } catch (const base::Error& error) {
    expect(error.kind() == base::ErrorKind::kInvalid || error.kind() == base::ErrorKind::kDisconnected);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const fuzz::Input rest(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      refused([&] { read_job_data(rest.rest(), rest.left()); });
      break;
    case 1:
      write_job_data(rest);
      break;
    case 2:
      refused([&] { read_table(rest.rest(), rest.left()); });
      break;
    default:
      try_segment(rest);
  }
  shm::Segment::take_ended();
  return 0;
}
