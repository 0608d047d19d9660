#pragma once

// What stands in a stream instead of a large vector's data, and how the data lie in its segment.
//
// Numbers lie as in the vector. Strings lie as a table, native byte order:
//   u64 count, u64 bytes of text
//   u64 ends[count]    where each text ends; it begins where the one before ends
//   u8  marks[count]   StringMark
//   text
// Both come from another process, or were made by hand: every number is checked where it is used.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "shm/content_hash.h"

namespace avenir::shm {

// A segment's name on this machine: the process that made it, by a random number of its own, and a count.
struct SegmentId {
  uint64_t maker, number;
  friend bool operator==(const SegmentId& a, const SegmentId& b) { return a.maker == b.maker && a.number == b.number; }
  friend bool operator<(const SegmentId& a, const SegmentId& b) {
    return a.maker != b.maker ? a.maker < b.maker : a.number < b.number;
  }
};

// R's own numbers for its types.
enum class VectorType : uint32_t { kLogical = 10, kInteger = 13, kReal = 14, kComplex = 15, kString = 16, kRaw = 24 };

// 0 for strings, and for what is none of them.
size_t element_size(VectorType type);

constexpr uint64_t kVectorMark = 0x3230564556415641;  // "AVAVEV02"
// Where vectors begin in a segment: the largest page size of the systems that R runs on.
constexpr uint64_t kVectorAlignment = 64 * 1024;

struct VectorRecord {
  uint64_t mark;
  VectorType type;
  uint32_t parts;  // 1, or 2: it begins its segment, and what is behind first_part() begins the segment made next
  SegmentId segment;
  uint64_t offset, bytes;  // in the segment
  uint64_t length;         // elements
  ContentHash hash;        // zeros: not known
};
static_assert(sizeof(VectorRecord) == 72);

// Of a vector in two parts: how many bytes the first has.
uint64_t first_part(uint64_t bytes);
// The segments that it lies in.
std::vector<SegmentId> segments_of(const VectorRecord& record);

// Throws (kInvalid) for what no record can be.
VectorRecord decode_vector_record(const uint8_t* data, size_t size);

enum StringMark : uint8_t { kNativeText = 0, kUtf8Text = 1, kLatin1Text = 2, kBytesText = 3, kMissingText = 4 };

// A table of strings, read where it lies.
class StringTable {
 public:
  struct Text {
    const char* data;
    int size;
    StringMark mark;
  };
  StringTable() = default;
  // Throws (kInvalid) when the table does not fit into the bytes or has another length.
  StringTable(const uint8_t* data, size_t size, uint64_t length);

  uint64_t count() const { return count_; }
  // Throws (kInvalid) for a text that does not lie inside.
  Text at(uint64_t index) const;

 private:
  uint64_t end_of(uint64_t index) const;

  const uint8_t *ends_ = nullptr, *marks_ = nullptr, *text_ = nullptr;
  uint64_t count_ = 0, text_size_ = 0;
};

// Builds one in memory.
class StringTableWriter {
 public:
  // `text_size`: what is known of it; it may become more.
  explicit StringTableWriter(uint64_t count, uint64_t text_size = 0);
  void add(const char* text, size_t size, StringMark mark) {
    if (size > bytes_.size() - text_ - end_) grow(size);
    uint8_t* const begin = bytes_.writable();
    std::memcpy(begin + text_ + end_, text, size);
    end_ += size;
    std::memcpy(begin + ends_ + at_ * sizeof end_, &end_, sizeof end_);
    begin[marks_ + at_++] = mark;
  }
  base::SharedBytes finish();

 private:
  void grow(size_t size);

  base::SharedBytes bytes_;  // not zeroed
  uint64_t at_ = 0, end_ = 0, ends_, marks_, text_;
};

}  // namespace avenir::shm
