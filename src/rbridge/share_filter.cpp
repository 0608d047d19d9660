#include "rbridge/share_filter.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/error.h"
#include "rbridge/raise.h"
#include "rbridge/shared_vector.h"
#include "rbridge/source_files.h"
#include "rbridge/travel.h"

namespace avenir::rbridge {

namespace {

using shm::VectorRecord;
using shm::VectorType;

constexpr int kSerializeVersion = 3;

// R's serializer (serialize.c): items begin with a word of flags.
constexpr uint32_t kTypeBits = 0xff, kObjectBit = 0x100, kAttributesBit = 0x200, kLevelBits = ~uint32_t{0xfff};
constexpr uint32_t kAltrepItem = 238, kNilItem = 254, kReferenceItem = 255, kCharItem = 9;
constexpr uint32_t kBytes = 1 << 1, kLatin1 = 1 << 2, kUtf8 = 1 << 3, kAscii = 1 << 6;  // levels of a string
constexpr size_t kChunk = 8096;  // elements that R writes at a time

void put_word(base::Bytes& out, uint32_t word) { append_bytes(out, &word, sizeof word); }

// Is it a word that R has on its stack?
bool is_word(const void* data, size_t size) {
  // Not the address of a variable: the address sanitizer has those elsewhere.
  const auto distance = reinterpret_cast<intptr_t>(data) - reinterpret_cast<intptr_t>(__builtin_frame_address(0));
  constexpr intptr_t kFrames = 64 * 1024;  // R's frames between its word and us
  return size == sizeof(uint32_t) && distance > -kFrames && distance < kFrames;
}

void out_bytes(R_outpstream_t stream, void* data, int size) {
  static_cast<ShareFilter*>(static_cast<void*>(stream->data))->write(data, static_cast<size_t>(size));
}

void out_char(R_outpstream_t stream, int byte) {
  auto value = static_cast<char>(byte);
  out_bytes(stream, &value, 1);
}

// Of environments, external pointers and weak references: what stands for them in the stream, or NULL.
SEXP name_of(SEXP object, SEXP filter) {
  return name_of_source_file(object, static_cast<ShareFilter*>(R_ExternalPtrAddr(filter))->publication());
}

}  // namespace

void append_bytes(base::Bytes& out, const void* data, size_t size) {
  raising([&] {
    const auto* begin = static_cast<const uint8_t*>(data);
    out.insert(out.end(), begin, begin + size);
  });
}

void put_record(base::Bytes& out, uint32_t flags, const VectorRecord& record) {
  constexpr uint32_t kFirstReference = (1 << 8) | kReferenceItem;
  put_word(out, kAltrepItem | (flags & kObjectBit) | (flags & kLevelBits));
  for (int symbol = 0; symbol < 2; ++symbol) {  // class and package, then the class's type
    put_word(out, LISTSXP);
    put_word(out, kFirstReference);
  }
  for (const uint32_t word : {uint32_t{LISTSXP}, uint32_t{INTSXP}, 1u, uint32_t{INTSXP}, kNilItem}) put_word(out, word);
  put_word(out, RAWSXP);
  put_word(out, sizeof record);
  append_bytes(out, &record, sizeof record);
  if ((flags & kAttributesBit) == 0) put_word(out, kNilItem);  // else they come next, as behind a vector's data
}

bool is_numeric_type(uint32_t type) { return shm::element_size(static_cast<VectorType>(type)) > 0; }

bool publish_vector(shm::Publication& publication, VectorType type, const void* data, uint64_t bytes, uint64_t length,
                    VectorRecord& record) {
  return raising([&] {
    try {
      record = publication.add(type, data, bytes, length);
      return true;
    } catch (const shm::OutOfMemory&) {
      throw;
    } catch (const base::Error&) {
      return false;
    }
  });
}

// ---- strings

StringRun::StringRun(size_t begin, uint32_t flags, uint32_t count)
    : begin_(begin), flags_(flags), count_(count), left_(count), table_(count) {}

bool StringRun::is_string_item(uint32_t word) {
  const uint32_t levels = word >> 12;
  return (word & 0xfff) == kCharItem &&
         (levels == 0 || levels == kAscii || levels == kUtf8 || levels == kLatin1 || levels == kBytes);
}

bool StringRun::word(uint32_t value) {
  if (next_ == Next::kFlags) {
    if (!is_string_item(value)) return false;
    levels_ = value >> 12;
    next_ = Next::kLength;
    return true;
  }
  if (next_ != Next::kLength) return false;
  const auto length = static_cast<int32_t>(value);
  if (length < -1 || (length == -1 && levels_ != 0)) return false;
  if (length <= 0) return add("", 0, length == -1 ? shm::kMissingText : mark());
  length_ = value;
  next_ = Next::kBytes;
  return true;
}

bool StringRun::bytes(const void* data, size_t size) {
  if (next_ != Next::kBytes || size != length_) return false;
  return add(static_cast<const char*>(data), size, mark());
}

base::SharedBytes StringRun::finish() {
  return raising([&] { return table_.finish(); });
}

shm::StringMark StringRun::mark() const {
  return levels_ == kUtf8     ? shm::kUtf8Text
         : levels_ == kLatin1 ? shm::kLatin1Text
         : levels_ == kBytes  ? shm::kBytesText
                              : shm::kNativeText;
}

bool StringRun::add(const char* text, size_t size, shm::StringMark mark) {
  raising([&] { table_.add(text, size, mark); });
  next_ = Next::kFlags;
  --left_;
  return true;
}

// ---- the filter

void ShareFilter::serialize(SEXP object) {
  const SEXP pair = PROTECT(Rf_allocVector(VECSXP, 2));
  SET_VECTOR_ELT(pair, 0, shared_vector_symbol());
  SET_VECTOR_ELT(pair, 1, object);
  const SEXP self = PROTECT(R_MakeExternalPtr(this, R_NilValue, R_NilValue));
  R_outpstream_st stream;
  R_InitOutPStream(&stream, reinterpret_cast<R_pstream_data_t>(this), R_pstream_binary_format, kSerializeVersion,
                   out_char, out_bytes, name_of, self);
  set_travelling(true);
  R_Serialize(pair, &stream);
  set_travelling(false);
  SET_VECTOR_ELT(pair, 1, R_NilValue);
  UNPROTECT(2);
}

void ShareFilter::write(const void* data, size_t size) {
  if (swallow_left_ > 0) return swallow(data, size);
  if (size >= kChunk && words_ >= 2 && share_numbers(data, size)) return;
  follow_strings(data, size);
  append_bytes(out_, data, size);
  words_ = size == sizeof(uint32_t) ? words_ + 1 : 0;
  if (run_ && run_->complete()) finish_strings();
}

// The word that was written `back` words ago.
uint32_t ShareFilter::word_before(size_t back) const {
  uint32_t word;
  std::memcpy(&word, out_.data() + out_.size() - back * sizeof word, sizeof word);
  return word;
}

// The first chunk of a vector, behind its flags and length (a long vector's is -1 and two words), becomes a record;
// what follows of it is swallowed. Some types are written all at once.
bool ShareFilter::share_numbers(const void* data, size_t size) {
  const bool is_long = words_ >= 4 && word_before(3) == ~uint32_t{0};
  const uint64_t length = is_long ? (uint64_t{word_before(2)} << 32) | word_before(1) : word_before(1);
  const uint32_t flags = word_before(is_long ? 4 : 2);
  const auto type = static_cast<VectorType>(flags & kTypeBits);
  const size_t each = shm::element_size(type);
  const bool first = size == std::min<uint64_t>(length, kChunk) * each || size == length * each;
  if (each == 0 || !first || length * each < threshold_) return false;
  VectorRecord record;
  if (!publish_vector(publication_, type, data, length * each, length, record)) return false;
  out_.resize(out_.size() - (is_long ? 4 : 2) * sizeof(uint32_t));
  put_record(out_, flags, record);
  next_ = static_cast<const uint8_t*>(data);
  swallow_left_ = length * each;
  swallow(data, size);
  return true;
}

void ShareFilter::swallow(const void* data, size_t size) {
  if (data != next_ || size > swallow_left_) Rf_error("avenir: this version of R writes vectors in another way");
  next_ += size;
  swallow_left_ -= size;
  words_ = 0;
}

void ShareFilter::follow_strings(const void* data, size_t size) {
  uint32_t word = 0;
  const bool is = is_word(data, size);
  if (is) std::memcpy(&word, data, sizeof word);
  if (run_ && !(is ? run_->word(word) : run_->bytes(data, size))) run_.reset();
  if (run_ || !is || words_ < 2 || !StringRun::is_string_item(word)) return;
  const uint32_t flags = word_before(2), count = word_before(1);
  if ((flags & kTypeBits) != STRSXP || count < kLeastStrings || count > INT32_MAX) return;
  try {
    run_.emplace(out_.size() - 2 * sizeof(uint32_t), flags, count);
    run_->word(word);
  } catch (const std::bad_alloc&) {  // no vector, perhaps: its length is a guess until all of it was seen
    run_.reset();
  }
}

// The last string has been written: the table takes the vector's place when it is large.
void ShareFilter::finish_strings() {
  VectorRecord record;
  if (out_.size() - run_->begin() >= threshold_) {
    table_ = run_->finish();
    if (publish_vector(publication_, VectorType::kString, table_.data(), table_.size(), run_->count(), record)) {
      out_.resize(run_->begin());
      put_record(out_, run_->flags(), record);
      words_ = 0;
    }
    table_ = base::SharedBytes();
  }
  run_.reset();
}

}  // namespace avenir::rbridge
