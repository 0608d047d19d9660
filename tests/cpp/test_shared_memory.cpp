#include <doctest/doctest.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>
#include <thread>

#include "shm/content_hash.h"
#include "shm/publication.h"
#include "shm/vector_record.h"
#include "support.h"
#include "sys/memory_use.h"

using avenir::base::ErrorKind;
using namespace avenir::shm;
using namespace avenir::testing;
namespace sys = avenir::sys;

namespace {

std::vector<double> numbers(size_t count, double first = 0) {
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = first + static_cast<double>(i);
  return values;
}

// So many that they lie in two segments.
std::vector<double> large_numbers() { return numbers((36 << 20) / sizeof(double) + 5); }

VectorRecord add(Publication& publication, const std::vector<double>& values) {
  return publication.add(VectorType::kReal, values.data(), values.size() * sizeof(double), values.size());
}

ContentHash hash_of(const std::vector<double>& values, unsigned threads = 1) {
  return hash_content(values.data(), values.size() * sizeof(double), threads);
}

VectorRecord good_record() { return {kVectorMark, VectorType::kReal, 1, {1, 2}, kVectorAlignment, 80, 10, {}}; }

VectorRecord record_in_two(uint64_t offset) {
  const uint64_t bytes = 2 * BlockHashes::kBlock;
  return {kVectorMark, VectorType::kRaw, 2, {1, 2}, offset, bytes, bytes, {}};
}

bool refused(const VectorRecord& record) {
  try {
    decode_vector_record(reinterpret_cast<const uint8_t*>(&record), sizeof record);
  } catch (const avenir::base::Error& error) {
    return error.kind() == ErrorKind::kInvalid;
  }
  return false;
}

avenir::base::SharedBytes small_table() {
  StringTableWriter table(4);
  table.add("one", 3, kNativeText);
  table.add("", 0, kMissingText);
  table.add("", 0, kNativeText);
  table.add("\xc3\xa9", 2, kUtf8Text);
  return table.finish();
}

}  // namespace

TEST_SUITE_BEGIN("shared memory");

TEST_CASE("a hash depends on every byte, on the order of blocks and on the length, not on the number of threads") {
  const std::vector<double> values = numbers(3 << 20);
  const ContentHash hash = hash_of(values);
  CHECK(hash == hash_of(values, 2));
  CHECK(hash == hash_of(values, 7));
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    std::vector<double> other(values.begin(), values.begin() + 1000 + i);
    const ContentHash before = hash_of(other);
    auto* const bytes = reinterpret_cast<uint8_t*>(other.data());
    bytes[random() % (other.size() * sizeof(double))] ^= static_cast<uint8_t>(1 << (random() % 8));
    CHECK_FALSE(hash_of(other) == before);
    other.push_back(0);
    CHECK_FALSE(hash_of(other) == before);
  }
  std::vector<double> swapped = values;
  std::rotate(swapped.begin(), swapped.begin() + (1 << 17), swapped.end());  // whole blocks
  CHECK_FALSE(hash_of(swapped) == hash);
}

TEST_CASE("changes of sign and of equal amounts do not cancel each other") {
  const std::vector<double> values = numbers(256, 1);
  const ContentHash hash = hash_of(values);
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t j = i + 1; j < values.size(); ++j) {
      std::vector<double> other = values;
      other[i] = -other[i];
      other[j] = -other[j];
      CHECK_FALSE(hash_of(other) == hash);
      other = values;
      std::swap(other[i], other[j]);
      CHECK_FALSE(hash_of(other) == hash);
    }
}

TEST_CASE("zeros of different lengths have different hashes, and so have the lengths that differ in the last bytes") {
  std::set<std::pair<uint64_t, uint64_t>> seen;
  const std::vector<uint8_t> zeros(5000);
  for (size_t size = 0; size <= zeros.size(); ++size) {
    const ContentHash hash = hash_content(zeros.data(), size, 1);
    CHECK(seen.insert({hash.words[0], hash.words[1]}).second);
  }
}

TEST_CASE("what is no record is refused") {
  CHECK_FALSE(refused(good_record()));
  const auto with = [](auto change) {
    VectorRecord record = good_record();
    change(record);
    return record;
  };
  CHECK(refused(with([](VectorRecord& r) { r.mark ^= 1; })));
  CHECK(refused(with([](VectorRecord& r) { r.type = static_cast<VectorType>(19); })));
  CHECK(refused(with([](VectorRecord& r) { r.offset = 8; })));
  CHECK(refused(with([](VectorRecord& r) { r.bytes = 88; })));
  CHECK(refused(with([](VectorRecord& r) { r.length = 0; })));
  CHECK(refused(with([](VectorRecord& r) { r.length = uint64_t{1} << 61; })));  // times 8 is 0
  CHECK(refused(with([](VectorRecord& r) { r.length = ~uint64_t{0}; })));
  CHECK(refused(with([](VectorRecord& r) { r.parts = 0; })));
  CHECK(refused(with([](VectorRecord& r) { r.parts = 3; })));
  CHECK(refused(with([](VectorRecord& r) { r.parts = 2; })));  // of 80 bytes
  CHECK_FALSE(refused(record_in_two(0)));
  CHECK(refused(record_in_two(kVectorAlignment)));
  const VectorRecord record = good_record();
  for (size_t size = 0; size < sizeof record; ++size)
    CHECK(error_kind_of([&] { decode_vector_record(reinterpret_cast<const uint8_t*>(&record), size); }) ==
          ErrorKind::kInvalid);
}

TEST_CASE("a table of strings gives back what was put in") {
  const auto bytes = small_table();
  const StringTable table(bytes.data(), bytes.size(), 4);
  CHECK(std::string(table.at(0).data, 3) == "one");
  CHECK(table.at(1).mark == kMissingText);
  CHECK(table.at(2).size == 0);
  CHECK(table.at(3).mark == kUtf8Text);
  CHECK(error_kind_of([&] { table.at(4); }) == ErrorKind::kInvalid);
}

TEST_CASE("a table with any byte changed, or cut off anywhere, is read inside its bytes or refused") {
  const auto good = small_table();
  const auto read = [](const uint8_t* data, size_t size) {
    try {
      const StringTable table(data, size, 4);
      size_t sum = 0;
      for (uint64_t i = 0; i < table.count(); ++i) {
        const auto text = table.at(i);
        CHECK(text.data >= reinterpret_cast<const char*>(data));
        CHECK(text.data + text.size <= reinterpret_cast<const char*>(data) + size);
        sum += static_cast<size_t>(text.size);
      }
      CHECK(sum <= size);
    } catch (const avenir::base::Error& error) {
      CHECK(error.kind() == ErrorKind::kInvalid);
    }
  };
  for (size_t size = 0; size < good.size(); ++size) {
    const auto part = avenir::base::SharedBytes::copy(good.data(), size);
    read(part.data(), size);
  }
  for (size_t at = 0; at < good.size(); ++at)
    for (const int value : {0, 1, 5, 127, 128, 255}) {
      auto changed = avenir::base::SharedBytes::copy(good.data(), good.size());
      changed.writable()[at] = static_cast<uint8_t>(value);
      read(changed.data(), changed.size());
    }
}

TEST_CASE("views of one segment are private: each sees its own changes only") {
  Publication publication(Reuse::kNever);
  const auto values = numbers(20000);
  const VectorRecord record = add(publication, values);
  publication.finish();
  Segment& segment = *publication.segments().at(0);
  const ViewMemory one = segment.view(record.offset, record.bytes), two = segment.view(record.offset, record.bytes);
  CHECK(std::memcmp(one.data, values.data(), record.bytes) == 0);
  one.data[100] ^= 0xff;
  CHECK(std::memcmp(two.data, values.data(), record.bytes) == 0);
  const auto first = sys::private_mapping_cleanness(one.data, record.bytes);
  const auto second = sys::private_mapping_cleanness(two.data, record.bytes);
  CHECK(first.known == second.known);
  if (first.known) {
    CHECK_FALSE(first.clean);
    CHECK(second.clean);
  }
}

TEST_CASE("a part that does not lie in its segment is refused") {
  Publication publication(Reuse::kNever);
  const VectorRecord record = add(publication, numbers(1000));
  publication.finish();
  Segment& segment = *publication.segments().at(0);
  for (const auto& [offset, bytes] : std::vector<std::pair<uint64_t, uint64_t>>{
           {0, record.bytes + 1}, {kVectorAlignment, 1}, {0, ~uint64_t{0}}, {~uint64_t{0}, 1}, {0, 0}})
    CHECK(error_kind_of([&, at = offset, size = bytes] { segment.view(at, size); }) == ErrorKind::kInvalid);
}

TEST_CASE("nobody can write to a finished segment or make it shorter") {
  Publication publication(Reuse::kNever);
  add(publication, numbers(1000));
  publication.finish();
  const int fd = publication.segments().at(0)->fd().get();
#ifndef AVENIR_PORTABLE
  CHECK(::pwrite(fd, "x", 1, 0) < 0);
  CHECK(::ftruncate(fd, 10) < 0);
  CHECK(::mmap(nullptr, 10, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
#endif
  CHECK(sys::is_sealed_against_shrinking(fd));
}

TEST_CASE("equal contents are published once, by content and not by address") {
  SegmentStore& store = SegmentStore::process();
  store.forget_published();
  std::vector<double> values = numbers(20000);
  const auto publish = [&] {
    Publication publication(Reuse::kByContent);
    const VectorRecord record = add(publication, values);
    publication.finish();
    return record;
  };
  const VectorRecord first = publish();
  CHECK(publish().segment == first.segment);
  values[19999] = -1;
  const VectorRecord second = publish();
  CHECK_FALSE(second.segment == first.segment);
  values[19999] = 19999;
  CHECK(publish().segment == first.segment);
  CHECK(store.use().segments == 2);
  store.forget_published();
  CHECK(store.use().bytes == 0);
  CHECK(store.find(first.segment) == nullptr);
}

TEST_CASE(
    "two equal vectors of one publication are one, small ones share a segment, and nothing is kept of one given up") {
  SegmentStore& store = SegmentStore::process();
  store.forget_published();
  {
    Publication publication(Reuse::kByContent);
    const VectorRecord a = add(publication, numbers(20000)), b = add(publication, numbers(20000)),
                       c = add(publication, numbers(20000, 1));
    CHECK(a.offset == b.offset);
    CHECK(a.segment == c.segment);
    CHECK(a.offset != c.offset);
    CHECK(publication.segments().size() == 1);
  }
  CHECK(store.use().segments == 0);
}

TEST_CASE("a large vector lies in two segments, has the hash of all its bytes, and goes as a whole") {
  if (std::thread::hardware_concurrency() < 2) return;
  SegmentStore& store = SegmentStore::process();
  store.forget_published();
  const auto values = large_numbers();
  for (const bool known_size : {false, true}) {  // then another one of that size is hashed before it is written
    const auto other = numbers(values.size(), known_size ? 1 : 0);
    Publication publication(Reuse::kByContent);
    const VectorRecord record = add(publication, other);
    publication.finish();
    CHECK(record.parts == 2);
    CHECK(record.hash == hash_of(other));
    CHECK(publication.segments().size() == 2);
    const ViewMemory view = Segment::view_of_two(store.find(record), record.bytes);
    CHECK(std::memcmp(view.data, other.data(), record.bytes) == 0);
  }
  Publication again(Reuse::kByContent);
  const VectorRecord record = add(again, values);
  CHECK(again.segments() == store.find(record));
  CHECK(store.use().segments == 4);
  store.set_budget(record.bytes);
  Publication small(Reuse::kByContent);
  add(small, numbers(10));
  small.finish();
  CHECK(store.use().segments == 1);
  store.set_budget(uint64_t{1} << 30);
  store.forget_published();
}

TEST_CASE("views of a vector in two segments are private, also where the descriptors are closed") {
  if (std::thread::hardware_concurrency() < 2) return;
  SegmentStore& store = SegmentStore::process();
  const auto values = large_numbers();
  Publication publication(Reuse::kByContent);
  const VectorRecord record = add(publication, values);
  publication.finish();
  const ViewMemory one = Segment::view_of_two(publication.segments(), record.bytes);
  const uint64_t last = record.bytes - 1;
  for (const uint64_t at : {uint64_t{0}, first_part(record.bytes) - 1, first_part(record.bytes), last})
    one.data[at] ^= 0xff;
  CHECK(exit_code_of_child([&] {
          std::vector<sys::OwnFd> files;
          for (const SharedSegment& segment : publication.segments()) files.push_back(sys::duplicate(segment->fd()));
          const rlimit limit{4, 4};
          ::setrlimit(RLIMIT_NOFILE, &limit);
          Segments arrived;
          for (size_t i = 0; i < files.size(); ++i)
            arrived.push_back(Segment::adopt_result(publication.segments()[i]->ref(), std::move(files[i]), nullptr));
          const ViewMemory copy = Segment::view_of_two(arrived, record.bytes);
          if (arrived[0]->is_open() || arrived[1]->is_open()) return 1;
          return std::memcmp(copy.data, values.data(), record.bytes) == 0 ? 0 : 2;
        }) == 0);
  const ViewMemory two = Segment::view_of_two(publication.segments(), record.bytes);
  CHECK(std::memcmp(two.data, values.data(), record.bytes) == 0);
  store.forget_published();
}

TEST_CASE("a writer that fails is an error, on whichever thread, and leaves nothing behind") {
  CHECK(exit_code_of_child([] {
          ::signal(SIGXFSZ, SIG_DFL);  // which ends the process that writes further
          const rlimit limit{1 << 20, 1 << 20};
          ::setrlimit(RLIMIT_FSIZE, &limit);
          std::optional<Publication> publication(std::in_place, Reuse::kByContent);
          if (error_kind_of([&] { add(*publication, large_numbers()); }) != ErrorKind::kOverloaded) return 1;
          if (!publication->empty()) return 2;  // or an empty segment would be sent
          publication.reset();
          return SegmentStore::process().use().segments == 0 ? 0 : 3;
        }) == 0);
}

TEST_CASE("the least recently used segments go first when there are too many") {
  SegmentStore& store = SegmentStore::process();
  store.forget_published();
  const auto publish = [](double first) {
    Publication publication(Reuse::kByContent);
    const VectorRecord record = add(publication, numbers(10, first));
    publication.finish();
    return record;
  };
  const VectorRecord kept = publish(0);
  for (int i = 1; i < 200; ++i) {
    publish(i);
    CHECK(publish(0).segment == kept.segment);
    CHECK(store.use().segments <= 64);
  }
  store.forget_published();
}

TEST_CASE("a fork has none of its parent's segments, and makes names of its own") {
  SegmentStore& store = SegmentStore::process();
  const SegmentId before = store.next_id();
  Publication publication(Reuse::kByContent);
  const VectorRecord record = add(publication, numbers(100));
  publication.finish();
  CHECK(exit_code_of_child([&] {
          if (store.find(record.segment) != nullptr || store.use().segments != 0) return 1;
          return store.next_id().maker == before.maker ? 2 : 0;
        }) == 0);
  CHECK(store.find(record.segment) != nullptr);
  store.forget_published();
}

TEST_CASE("a vector that no memory can hold is refused before it is written") {
  Publication publication(Reuse::kNever);
  const uint64_t huge = uint64_t{1} << 50;
  CHECK(error_kind_of([&] { publication.add(VectorType::kRaw, nullptr, huge, huge); }) == ErrorKind::kOverloaded);
}

TEST_SUITE_END();
