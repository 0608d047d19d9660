#include "shm/job_data.h"

#include <cstring>

#include "base/error.h"
#include "shm/region.h"
#include "sys/memory_file.h"

namespace avenir::shm {

namespace {

constexpr uint64_t kMagic = 0x3241544144425641;  // "AVBDATA2"

[[noreturn]] void refuse(const char* what) {
  throw base::Error(base::ErrorKind::kDisconnected, std::string("the data of a map is broken: ") + what);
}

class FileSink {
 public:
  explicit FileSink(int fd) : fd_(fd) {}
  void write(const void* data, size_t size, uint64_t offset) { sys::write_at(fd_, data, size, offset); }

 private:
  int fd_;
};

class MemorySink {
 public:
  explicit MemorySink(base::Bytes& bytes) : bytes_(bytes) {}
  void write(const void* data, size_t size, uint64_t offset) {
    if (bytes_.size() < offset + size) bytes_.resize(offset + size);
    std::memcpy(bytes_.data() + offset, data, size);
  }

 private:
  base::Bytes& bytes_;
};

// Lays the parts out one after the other and writes them straight to where they belong.
template <typename Sink>
class PartWriter {
 public:
  explicit PartWriter(Sink& sink) : sink_(sink) {}
  DataPart add(const void* data, size_t size) {
    if (size == 0) return {0, 0};
    const DataPart part{at_, size};
    sink_.write(data, size, at_);
    at_ = (at_ + size + 7) & ~uint64_t{7};
    return part;
  }
  DataPart add(const ByteRun& run) { return add(run.data, run.size); }
  template <typename T>
  DataPart add(const std::vector<T>& values) {
    return add(values.data(), values.size() * sizeof(T));
  }

 private:
  Sink& sink_;
  uint64_t at_ = sizeof(DataHeader);
};

template <typename Sink>
void write_parts(const JobDataParts& parts, Sink sink) {
  PartWriter<Sink> writer(sink);
  DataHeader header{};
  header.magic = kMagic;
  header.elements_count = parts.count;
  header.mode = parts.mode;
  header.map = parts.map;
  header.context = writer.add(parts.context);
  header.elements = writer.add(parts.elements);
  header.order = writer.add(parts.order);
  header.bounds = writer.add(parts.bounds);
  header.stream = writer.add(parts.stream);
  header.numbers = writer.add(parts.numbers);
  sink.write(&header, sizeof header, 0);
}

}  // namespace

sys::OwnFd write_job_data(const JobDataParts& parts) {
  sys::OwnFd fd = sys::make_memory_file("avenir-data");
  write_parts(parts, FileSink(fd.get()));
  sys::seal_against_writes(fd.get());
  return fd;
}

base::Bytes encode_job_data(const JobDataParts& parts) {
  base::Bytes bytes;
  write_parts(parts, MemorySink(bytes));
  return bytes;
}

JobData JobData::attach(const sys::OwnFd& fd) {
  const uint64_t size = sys::file_size(fd.get());
  if (size < sizeof(DataHeader)) refuse("no header");
  return JobData(shm::attach(fd, size));
}

JobData::JobData(base::SharedBytes bytes) : bytes_(std::move(bytes)) {
  header_ = base::ByteReader(bytes_).get<DataHeader>();
  if (header_.magic != kMagic) refuse("wrong mark");
  for (const DataPart* part :
       {&header_.context, &header_.elements, &header_.order, &header_.bounds, &header_.stream, &header_.numbers})
    if (part->offset > bytes_.size() || part->length > bytes_.size() - part->offset) refuse("a part lies outside");
  if (header_.mode != ElementMode::kWhole && header_.mode != ElementMode::kEach) refuse("unknown mode");
  for (const DataPart* part : {&header_.order, &header_.bounds, &header_.numbers})
    if (part->length % 8 != 0) refuse("a part has a wrong length");
}

uint64_t JobData::number(const DataPart& part, uint64_t index) const {
  if (index >= part.length / sizeof(uint64_t)) refuse("an index lies outside");
  uint64_t value;
  std::memcpy(&value, bytes_.data() + part.offset + index * sizeof value, sizeof value);
  return value;
}

base::SharedBytes JobData::element(uint64_t index) const {
  if (index >= header_.elements_count) refuse("an element lies outside");
  const uint64_t begin = number(header_.elements, index);
  const uint64_t end = number(header_.elements, index + 1);
  const uint64_t values = (header_.elements_count + 1) * sizeof(uint64_t);
  if (begin > end || values > header_.elements.length || end > header_.elements.length - values)
    refuse("an element's offsets lie outside");
  return bytes_.slice(header_.elements.offset + values + begin, end - begin);
}

uint64_t JobData::element_at(uint64_t position) const {
  if (header_.order.length == 0) return position;
  const uint64_t element = number(header_.order, position);
  if (element >= header_.elements_count) refuse("the order names an element that is not there");
  return element;
}

std::pair<uint64_t, uint64_t> JobData::unit(uint64_t index) const {
  if (!explicit_units()) return {index, index + 1};
  const uint64_t begin = number(header_.bounds, index), end = number(header_.bounds, index + 1);
  if (begin > end || end > header_.elements_count) refuse("a chunk's bounds lie outside");
  return {begin, end};
}

std::optional<std::array<int32_t, 7>> JobData::stream() const {
  std::array<int32_t, 7> state;
  if (header_.stream.length != sizeof state) return std::nullopt;
  std::memcpy(state.data(), bytes_.data() + header_.stream.offset, sizeof state);
  return state;
}

}  // namespace avenir::shm
