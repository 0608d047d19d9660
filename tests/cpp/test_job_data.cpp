#include <doctest/doctest.h>

#include <cstring>

#include "shm/job_data.h"
#include "shm/region.h"
#include "support.h"

using avenir::base::Bytes;
using avenir::base::ByteWriter;
using avenir::base::ErrorKind;
using namespace avenir::shm;
using namespace avenir::testing;
namespace sys = avenir::sys;

namespace {

// Three elements: "a", "", "ccc".
Bytes three_elements() {
  ByteWriter out;
  for (const uint64_t offset : {0, 1, 1, 4}) out.put(offset);
  out.put_bytes("accc", 4);
  return out.take();
}

sys::OwnFd write_three(std::vector<uint64_t> order = {}, std::vector<uint64_t> bounds = {},
                       std::vector<int32_t> stream = {}) {
  const Bytes context = bytes("the context"), elements = three_elements();
  JobDataParts parts;
  parts.count = 3;
  parts.mode = ElementMode::kEach;
  parts.context = context;
  parts.elements = elements;
  parts.order = std::move(order);
  parts.bounds = std::move(bounds);
  parts.stream = std::move(stream);
  return write_job_data(parts);
}

// The same data with one field of the header, or of what follows it, replaced.
sys::OwnFd forged(uint64_t offset, uint64_t value) {
  const sys::OwnFd good = write_three({2, 1, 0}, {0, 2, 3});
  const auto all = attach(good, sys::file_size(good.get()));
  sys::OwnFd fd = sys::make_memory_file("test");
  sys::write_at(fd.get(), all.data(), all.size(), 0);
  sys::write_at(fd.get(), &value, sizeof value, offset);
  sys::seal_against_writes(fd.get());
  return fd;
}

bool attach_refused(const sys::OwnFd& fd) {
  return error_kind_of([&] { JobData::attach(fd); }) == ErrorKind::kDisconnected;
}

}  // namespace

TEST_CASE("the parts of a map's data come back as they were") {
  const JobData data = JobData::attach(write_three({2, 0, 1}, {0, 2, 3}, {10407, 1, 2, 3, 4, 5, 6}));
  CHECK(data.count() == 3);
  CHECK(data.mode() == ElementMode::kEach);
  CHECK(text(data.context()) == "the context");
  CHECK(text(data.element(0)) == "a");
  CHECK(text(data.element(1)).empty());
  CHECK(text(data.element(2)) == "ccc");
  CHECK(data.element_at(0) == 2);
  CHECK(data.unit(0) == std::pair<uint64_t, uint64_t>(0, 2));
  CHECK(data.unit(1) == std::pair<uint64_t, uint64_t>(2, 3));
  REQUIRE(data.stream().has_value());
  CHECK((*data.stream())[6] == 6);
}

TEST_CASE("what was not given is absent: positions are elements, units are positions") {
  const JobData data = JobData::attach(write_three());
  CHECK(data.element_at(2) == 2);
  CHECK_FALSE(data.explicit_units());
  CHECK(data.unit(2) == std::pair<uint64_t, uint64_t>(2, 3));
  CHECK_FALSE(data.stream().has_value());
}

TEST_CASE("one vector for all elements comes back whole, a map of nothing is possible") {
  const Bytes context, elements = bytes("all of them");
  JobDataParts parts;
  parts.context = context;
  parts.elements = elements;
  const JobData data = JobData::attach(write_job_data(parts));
  CHECK(data.mode() == ElementMode::kWhole);
  CHECK(text(data.whole()) == "all of them");
  CHECK(data.count() == 0);
  CHECK(data.context().size() == 0);
}

TEST_CASE("an index outside is refused") {
  const JobData data = JobData::attach(write_three({2, 1, 0}, {0, 3}));
  CHECK(error_kind_of([&] { data.element(3); }) == ErrorKind::kDisconnected);
  CHECK(error_kind_of([&] { data.element(~uint64_t{0}); }) == ErrorKind::kDisconnected);
  CHECK(error_kind_of([&] { data.element_at(3); }) == ErrorKind::kDisconnected);
  CHECK(error_kind_of([&] { data.unit(1); }) == ErrorKind::kDisconnected);
  CHECK(error_kind_of([&] { data.unit(~uint64_t{0}); }) == ErrorKind::kDisconnected);
}

TEST_CASE("data with a broken header is refused") {
  CHECK(attach_refused(sys::make_memory_file("test")));
  CHECK(attach_refused(publish("short", 5, "test")));
  CHECK(attach_refused(forged(0, 1)));
  CHECK(attach_refused(forged(offsetof(DataHeader, mode), 7)));
  for (size_t part = offsetof(DataHeader, context); part < sizeof(DataHeader); part += sizeof(DataPart)) {
    CHECK(attach_refused(forged(part, ~uint64_t{0})));
    CHECK(attach_refused(forged(part + offsetof(DataPart, length), uint64_t{1} << 40)));
    CHECK(attach_refused(forged(part + offsetof(DataPart, length), ~uint64_t{0} - 7)));
  }
}

TEST_CASE("offsets, orders, bounds and counts that point outside are refused where they are used") {
  const sys::OwnFd good = write_three({2, 1, 0}, {0, 2, 3});
  DataHeader header;
  std::memcpy(&header, attach(good, sizeof header).data(), sizeof header);
  const auto element_refused = [](const sys::OwnFd& fd, uint64_t element) {
    const JobData data = JobData::attach(fd);
    return error_kind_of([&] { data.element(element); }) == ErrorKind::kDisconnected;
  };
  CHECK(element_refused(forged(header.elements.offset, 5), 0));
  CHECK(element_refused(forged(header.elements.offset + 8, 1000), 0));
  CHECK(element_refused(forged(header.elements.offset + 8, ~uint64_t{0}), 0));
  const uint64_t count_at = offsetof(DataHeader, elements_count);
  for (const uint64_t count : {uint64_t{100}, uint64_t{1} << 61, ~uint64_t{0}})
    CHECK(element_refused(forged(count_at, count), 4));
  const JobData order = JobData::attach(forged(header.order.offset, 3));
  CHECK(error_kind_of([&] { order.element_at(0); }) == ErrorKind::kDisconnected);
  const JobData bounds = JobData::attach(forged(header.bounds.offset + 8, 4));
  CHECK(error_kind_of([&] { bounds.unit(0); }) == ErrorKind::kDisconnected);
  CHECK(error_kind_of([&] { bounds.unit(1); }) == ErrorKind::kDisconnected);
}
