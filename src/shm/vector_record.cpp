#include "shm/vector_record.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <string>

#include "base/error.h"

namespace avenir::shm {

namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw base::Error(base::ErrorKind::kInvalid, "the record of a vector in shared memory is broken: " + what);
}

constexpr uint64_t kTableHead = 2 * sizeof(uint64_t), kBytesPerString = sizeof(uint64_t) + 1;

uint64_t word_at(const uint8_t* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

void check_size(const VectorRecord& record) {
  const size_t each = element_size(record.type);
  if (each > 0 && (record.length > (~uint64_t{0} >> 1) / each || record.length * each != record.bytes))
    refuse(std::to_string(record.length) + " elements do not take " + std::to_string(record.bytes) + " bytes");
  if (record.length == 0 || record.length > uint64_t{1} << 52) refuse("a length of " + std::to_string(record.length));
}

void check_parts(const VectorRecord& record) {
  if (record.parts != 1 && record.parts != 2) refuse(std::to_string(record.parts) + " parts");
  if (record.parts == 2 && (record.offset != 0 || record.bytes <= first_part(record.bytes)))
    refuse("two parts of " + std::to_string(record.bytes) + " bytes at " + std::to_string(record.offset));
}

}  // namespace

size_t element_size(VectorType type) {
  switch (type) {
    case VectorType::kLogical:
    case VectorType::kInteger:
      return sizeof(int32_t);
    case VectorType::kReal:
      return sizeof(double);
    case VectorType::kComplex:
      return 2 * sizeof(double);
    case VectorType::kRaw:
      return 1;
    default:
      return 0;
  }
}

uint64_t first_part(uint64_t bytes) {
  constexpr uint64_t kBlock = BlockHashes::kBlock;
  static_assert(kBlock % kVectorAlignment == 0);
  return (bytes / 2 + kBlock - 1) / kBlock * kBlock;
}

std::vector<SegmentId> segments_of(const VectorRecord& record) {
  if (record.parts == 1) return {record.segment};
  return {record.segment, {record.segment.maker, record.segment.number + 1}};
}

VectorRecord decode_vector_record(const uint8_t* data, size_t size) {
  if (size != sizeof(VectorRecord))
    refuse(std::to_string(size) + " bytes instead of " + std::to_string(sizeof(VectorRecord)));
  VectorRecord record;
  std::memcpy(&record, data, sizeof record);
  if (record.mark != kVectorMark) refuse("it has another mark");
  if (element_size(record.type) == 0 && record.type != VectorType::kString)
    refuse("type " + std::to_string(static_cast<uint32_t>(record.type)));
  if (record.offset % kVectorAlignment != 0) refuse("offset " + std::to_string(record.offset));
  check_size(record);
  check_parts(record);
  return record;
}

StringTable::StringTable(const uint8_t* data, size_t size, uint64_t length) {
  if (size < kTableHead) refuse("a table of strings without a head");
  count_ = word_at(data);
  text_size_ = word_at(data + sizeof(uint64_t));
  const uint64_t left = size - kTableHead;
  if (count_ != length) refuse("a table of " + std::to_string(count_) + " strings for " + std::to_string(length));
  if (count_ > left / kBytesPerString || text_size_ > left - count_ * kBytesPerString)
    refuse("a table of strings that ends early");
  ends_ = data + kTableHead;
  marks_ = ends_ + count_ * sizeof(uint64_t);
  text_ = marks_ + count_;
}

uint64_t StringTable::end_of(uint64_t index) const { return word_at(ends_ + index * sizeof(uint64_t)); }

StringTable::Text StringTable::at(uint64_t index) const {
  if (index >= count_) refuse("string " + std::to_string(index) + " of " + std::to_string(count_));
  const uint64_t begin = index == 0 ? 0 : end_of(index - 1), end = end_of(index);
  if (begin > end || end > text_size_ || end - begin > INT_MAX) refuse("a string that lies outside");
  if (marks_[index] > kMissingText) refuse("a string with mark " + std::to_string(marks_[index]));
  return {reinterpret_cast<const char*>(text_ + begin), static_cast<int>(end - begin),
          static_cast<StringMark>(marks_[index])};
}

StringTableWriter::StringTableWriter(uint64_t count, uint64_t text_size)
    : bytes_(base::SharedBytes::allocate(kTableHead + count * kBytesPerString + text_size)),
      ends_(kTableHead),
      marks_(kTableHead + count * sizeof(uint64_t)),
      text_(kTableHead + count * kBytesPerString) {
  std::memcpy(bytes_.writable(), &count, sizeof count);
}

void StringTableWriter::grow(size_t size) {
  base::SharedBytes more = base::SharedBytes::allocate(std::max(bytes_.size() * 2, bytes_.size() + size));
  std::memcpy(more.writable(), bytes_.data(), text_ + end_);
  bytes_ = more;
}

base::SharedBytes StringTableWriter::finish() {
  std::memcpy(bytes_.writable() + sizeof end_, &end_, sizeof end_);
  return bytes_.slice(0, text_ + end_);
}

}  // namespace avenir::shm
