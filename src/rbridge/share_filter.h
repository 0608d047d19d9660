#pragma once

#include <optional>

#include "base/bytes.h"
#include "rbridge/r.h"
#include "shm/publication.h"

namespace avenir::rbridge {

constexpr size_t kLeastThreshold = 8192;  // bytes; nothing smaller is ever shared
constexpr uint32_t kLeastStrings = 1000;

bool is_numeric_type(uint32_t type);

// Appends without throwing through R's frames; may jump.
void append_bytes(base::Bytes& out, const void* data, size_t size);

// Appends the item that stands for a vector with these flags (R's: its type and more).
void put_record(base::Bytes& out, uint32_t flags, const shm::VectorRecord& record);

// Publishes. False when that is not possible, for another reason than a lack of memory (which is R's condition then):
// the vector is written as ever.
bool publish_vector(shm::Publication& publication, shm::VectorType type, const void* data, uint64_t bytes,
                    uint64_t length, shm::VectorRecord& record);

// Recognizes the strings of a character vector among what R writes: after the vector's flags and length come, for each
// string, its flags, its length and its bytes. Words come from R's stack, a string's bytes never do.
class StringRun {
 public:
  // `begin`: where the vector's flags lie in the stream.
  StringRun(size_t begin, uint32_t flags, uint32_t count);

  static bool is_string_item(uint32_t word);

  // False when this is no run of strings.
  bool word(uint32_t value);
  bool bytes(const void* data, size_t size);

  bool complete() const { return left_ == 0; }
  size_t begin() const { return begin_; }
  uint32_t flags() const { return flags_; }
  uint32_t count() const { return count_; }
  base::SharedBytes finish();

 private:
  enum class Next { kFlags, kLength, kBytes };

  shm::StringMark mark() const;
  bool add(const char* text, size_t size, shm::StringMark mark);

  const size_t begin_;
  const uint32_t flags_, count_;
  uint32_t left_, levels_ = 0, length_ = 0;
  Next next_ = Next::kFlags;
  shm::StringTableWriter table_;
};

// Stands between R's writer and the bytes: the data of large vectors are published, and a record takes their place.
//
// R hands us numbers where they lie, in chunks behind the vector's flags and length, and strings one by one. No object
// is walked over or changed.
//
// Lives outside of the frames that a jump leaves.
class ShareFilter {
 public:
  ShareFilter(base::Bytes& out, shm::Publication& publication, size_t threshold)
      : out_(out), publication_(publication), threshold_(threshold) {}

  // What R writes of list(<symbol avenir>, object). May jump.
  void serialize(SEXP object);

  // For R: some bytes of its stream.
  void write(const void* data, size_t size);
  shm::Publication& publication() { return publication_; }

 private:
  uint32_t word_before(size_t back) const;
  bool share_numbers(const void* data, size_t size);
  void swallow(const void* data, size_t size);
  void follow_strings(const void* data, size_t size);
  void finish_strings();

  base::Bytes& out_;
  shm::Publication& publication_;
  const size_t threshold_;
  unsigned words_ = 0;  // written in a row, each by itself
  const uint8_t* next_ = nullptr;
  uint64_t swallow_left_ = 0;
  std::optional<StringRun> run_;
  base::SharedBytes table_;
};

}  // namespace avenir::rbridge
