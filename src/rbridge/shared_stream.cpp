#include "rbridge/shared_stream.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "rbridge/raise.h"
#include "rbridge/serialize.h"
#include "rbridge/unwind.h"

namespace avenir::rbridge {

namespace {

using shm::VectorRecord;
using shm::VectorType;

constexpr char kMark[4] = {'A', 'V', 'S', '1'};
constexpr int kSerializeVersion = 3;

// R's serializer (serialize.c): items begin with a word of flags.
constexpr uint32_t kTypeBits = 0xff, kObjectBit = 0x100, kAttributesBit = 0x200, kLevelBits = ~uint32_t{0xfff};
constexpr uint32_t kAltrepItem = 238, kNilItem = 254, kReferenceItem = 255, kCharItem = 9;
constexpr size_t kChunk = 8096;  // elements that R writes at a time
constexpr size_t kLeastThreshold = 8192;
constexpr uint32_t kLeastStrings = 1000;

void append(base::Bytes& out, const void* data, size_t size) {
  raising([&] {
    const auto* begin = static_cast<const uint8_t*>(data);
    out.insert(out.end(), begin, begin + size);
  });
}

void put_word(base::Bytes& out, uint32_t word) { append(out, &word, sizeof word); }

// Stands for the item of a vector with these flags.
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
  append(out, &record, sizeof record);
  if ((flags & kAttributesBit) == 0) put_word(out, kNilItem);  // else they come next, as behind a vector's data
}

bool is_numeric_type(uint32_t type) { return shm::element_size(static_cast<VectorType>(type)) > 0; }

// The record, or nothing when the vector cannot be published for another reason than a lack of memory: then it is
// written as ever.
bool publish(shm::Publication& publication, VectorType type, const void* data, uint64_t bytes, uint64_t length,
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

// Recognizes the strings of a character vector among the words that R writes: after the vector's flags and length come,
// for each string, its flags, its length and its bytes. Words come from R's stack, a string's bytes never do.
class StringRun {
 public:
  bool active() const { return left_ > 0; }
  void stop() { left_ = 0; }

  static bool is_string_item(uint32_t word) {
    const uint32_t levels = word >> 12;
    return (word & 0xfff) == kCharItem &&
           (levels == 0 || levels == kAscii || levels == kUtf8 || levels == kLatin1 || levels == kBytes);
  }

  // `begin`: where the vector's flags lie in the stream.
  void start(size_t begin, uint32_t flags, uint32_t count) {
    begin_ = begin;
    flags_ = flags;
    count_ = left_ = count;
    next_ = Next::kFlags;
    raising([&] { table_.emplace(count); });
  }

  // False when this is no run of strings.
  bool word(uint32_t value) {
    if (next_ == Next::kFlags) {
      if (!is_string_item(value)) return false;
      levels_ = value >> 12;
      next_ = Next::kLength;
      return true;
    }
    if (next_ != Next::kLength) return false;
    const auto length = static_cast<int32_t>(value);
    if (length < -1 || (length == -1 && levels_ != 0)) return false;
    if (length > 0) {
      length_ = value;
      next_ = Next::kBytes;
      return true;
    }
    return add(nullptr, 0, length == -1 ? shm::kMissingText : mark());
  }
  bool bytes(const void* data, size_t size) {
    if (next_ != Next::kBytes || size != length_) return false;
    return add(static_cast<const char*>(data), size, mark());
  }

  size_t begin() const { return begin_; }
  uint32_t flags() const { return flags_; }
  uint32_t count() const { return count_; }
  base::SharedBytes finish() {
    return raising([&] { return table_->finish(); });
  }

 private:
  static constexpr uint32_t kLatin1 = 1 << 2, kUtf8 = 1 << 3, kBytes = 1 << 1, kAscii = 1 << 6;
  enum class Next { kFlags, kLength, kBytes };

  shm::StringMark mark() const {
    return levels_ == kUtf8     ? shm::kUtf8Text
           : levels_ == kLatin1 ? shm::kLatin1Text
           : levels_ == kBytes  ? shm::kBytesText
                                : shm::kNativeText;
  }
  bool add(const char* text, size_t size, shm::StringMark mark) {
    raising([&] { table_->add(text, size, mark); });
    next_ = Next::kFlags;
    --left_;
    return true;
  }

  Next next_ = Next::kFlags;
  size_t begin_ = 0;
  uint32_t flags_ = 0, count_ = 0, left_ = 0, levels_ = 0, length_ = 0;
  std::optional<shm::StringTableWriter> table_;
};

// Stands between R's writer and the bytes. Lives outside of the frames that a jump leaves.
class Filter {
 public:
  Filter(base::Bytes& out, shm::Publication& publication, size_t threshold)
      : out_(out), publication_(publication), threshold_(threshold) {}

  void write(const void* data, size_t size) {
    if (swallow_left_ > 0) return swallow(data, size);
    if (size >= kChunk && words_ >= 2 && share_numbers(data, size)) return;
    follow_strings(data, size);
    append(out_, data, size);
    words_ = size == sizeof(uint32_t) ? words_ + 1 : 0;
    if (run_ && run_->active() == false) finish_strings();
  }

 private:
  // The word that was written `back` words ago.
  uint32_t word_before(size_t back) const {
    uint32_t word;
    std::memcpy(&word, out_.data() + out_.size() - back * sizeof word, sizeof word);
    return word;
  }

  // The first chunk of a vector, behind its flags and length (a long vector's is -1 and two words), becomes a record;
  // what follows of it is swallowed.
  bool share_numbers(const void* data, size_t size) {
    const bool is_long = words_ >= 4 && word_before(3) == ~uint32_t{0};
    const uint64_t length = is_long ? (uint64_t{word_before(2)} << 32) | word_before(1) : word_before(1);
    const uint32_t flags = word_before(is_long ? 4 : 2);
    const auto type = static_cast<VectorType>(flags & kTypeBits);
    const size_t each = shm::element_size(type);
    const bool first = size == std::min<uint64_t>(length, kChunk) * each || size == length * each;  // raw: all at once
    if (each == 0 || !first || length * each < threshold_) return false;
    VectorRecord record;
    if (!publish(publication_, type, data, length * each, length, record)) return false;
    out_.resize(out_.size() - (is_long ? 4 : 2) * sizeof(uint32_t));
    put_record(out_, flags, record);
    next_ = static_cast<const uint8_t*>(data);
    swallow_left_ = length * each;
    swallow(data, size);
    return true;
  }

  void swallow(const void* data, size_t size) {
    if (data != next_ || size > swallow_left_) Rf_error("avenir: this version of R writes vectors in another way");
    next_ += size;
    swallow_left_ -= size;
    words_ = 0;
  }

  static bool is_word(const void* data, size_t size) {
    const char here = 0;
    const auto distance = reinterpret_cast<intptr_t>(data) - reinterpret_cast<intptr_t>(&here);
    constexpr intptr_t kFrames = 64 * 1024;  // R's frames between its word and us
    return size == sizeof(uint32_t) && distance > -kFrames && distance < kFrames;
  }

  void follow_strings(const void* data, size_t size) {
    uint32_t word = 0;
    const bool is = is_word(data, size);
    if (is) std::memcpy(&word, data, sizeof word);
    if (run_ && !(is ? run_->word(word) : run_->bytes(data, size))) run_.reset();
    if (run_ || !is || words_ < 2 || !StringRun::is_string_item(word)) return;
    const uint32_t flags = word_before(2), count = word_before(1);
    if ((flags & kTypeBits) != STRSXP || count < kLeastStrings || count > INT32_MAX) return;
    run_.emplace();
    run_->start(out_.size() - 2 * sizeof(uint32_t), flags, count);
    run_->word(word);
  }

  // The last string has been written: the table takes the vector's place when it is large.
  void finish_strings() {
    if (out_.size() - run_->begin() >= threshold_) {
      const base::SharedBytes table = run_->finish();
      VectorRecord record;
      if (publish(publication_, VectorType::kString, table.data(), table.size(), run_->count(), record)) {
        out_.resize(run_->begin());
        put_record(out_, run_->flags(), record);
        words_ = 0;
      }
    }
    run_.reset();
  }

  base::Bytes& out_;
  shm::Publication& publication_;
  const size_t threshold_;
  unsigned words_ = 0;  // written in a row, each by itself
  const uint8_t* next_ = nullptr;
  uint64_t swallow_left_ = 0;
  std::optional<StringRun> run_;
};

void out_bytes(R_outpstream_t stream, void* data, int size) {
  static_cast<Filter*>(stream->data)->write(data, static_cast<size_t>(size));
}

void out_char(R_outpstream_t stream, int byte) {
  auto value = static_cast<char>(byte);
  out_bytes(stream, &value, 1);
}

// What R writes of list(<symbol>, object).
void write_by_r(SEXP object, Filter& filter) {
  const SEXP pair = PROTECT(Rf_allocVector(VECSXP, 2));
  SET_VECTOR_ELT(pair, 0, shared_vector_symbol());
  SET_VECTOR_ELT(pair, 1, object);
  R_outpstream_st stream;
  R_InitOutPStream(&stream, reinterpret_cast<R_pstream_data_t>(&filter), R_pstream_binary_format, kSerializeVersion,
                   out_char, out_bytes, nullptr, R_NilValue);
  R_Serialize(pair, &stream);
  SET_VECTOR_ELT(pair, 1, R_NilValue);
  UNPROTECT(1);
}

bool is_plain_vector(SEXP object) { return !ALTREP(object) && ATTRIB(object) == R_NilValue && !Rf_isObject(object); }

// Nothing in it can be large, and our own writer may take it. Long and deep lists are R's.
bool is_small(SEXP object, size_t threshold, int depth) {
  if (object == R_NilValue) return true;
  if (!is_plain_vector(object)) return false;
  const auto type = static_cast<uint32_t>(TYPEOF(object));
  if (is_numeric_type(type))
    return static_cast<uint64_t>(XLENGTH(object)) * shm::element_size(static_cast<VectorType>(type)) < threshold;
  if (TYPEOF(object) == STRSXP) return XLENGTH(object) < kLeastStrings;
  constexpr R_xlen_t kLongestList = 64;
  if (TYPEOF(object) != VECSXP || depth == 0 || XLENGTH(object) > kLongestList) return false;
  for (R_xlen_t i = 0; i < XLENGTH(object); ++i)
    if (!is_small(VECTOR_ELT(object, i), threshold, depth - 1)) return false;
  return true;
}

constexpr int kDeepest = 8;

// R's own streams are read back by this R, with records in them.
bool reads_back();

double option_number(const char* name, double otherwise) {
  const SEXP value = Rf_GetOption1(Rf_install(name));
  const double number = Rf_isNumeric(value) && Rf_xlength(value) == 1 ? Rf_asReal(value) : NA_REAL;
  return number >= 0 ? number : otherwise;
}

}  // namespace

SharingOptions sharing_options() {
  SharingOptions options;
  const SEXP on = Rf_GetOption1(Rf_install("avenir.share"));
  options.on = !(TYPEOF(on) == LGLSXP && XLENGTH(on) == 1 && LOGICAL_ELT(on, 0) == 0);
  const double wanted = option_number("avenir.share.threshold", static_cast<double>(options.threshold));
  options.threshold = static_cast<size_t>(std::clamp(wanted, static_cast<double>(kLeastThreshold), 1e18));
  return options;
}

struct SharedWriting::State {
  explicit State(shm::Reuse reuse) : publication(reuse), forwarding(publication), options(sharing_options()) {}

  // A character vector without attributes: R's writer would take it string by string.
  bool write_strings(SEXP object, base::Bytes& out) {
    if (TYPEOF(object) != STRSXP || !is_plain_vector(object) || XLENGTH(object) > INT32_MAX) return false;
    raising([&] { table = table_of_strings(object); });
    VectorRecord record;
    const auto length = static_cast<uint64_t>(XLENGTH(object));
    if (table.size() < options.threshold ||
        !publish(publication, VectorType::kString, table.data(), table.size(), length, record))
      return false;
    if (preamble.empty()) learn_preamble();
    append(out, preamble.data(), preamble.size());
    put_record(out, STRSXP, record);
    table = base::SharedBytes();
    return true;
  }

  // What stands before the object: of list(<symbol>, NULL) all but the NULL.
  void learn_preamble() {
    Filter plain(preamble, publication, ~size_t{0});
    write_by_r(R_NilValue, plain);
    preamble.resize(preamble.size() - sizeof(uint32_t));
  }

  shm::Publication publication;
  ForwardingViews forwarding;
  SharingOptions options;
  std::optional<Filter> filter;
  base::SharedBytes table;
  static base::Bytes preamble;
};

base::Bytes SharedWriting::State::preamble;

SharedWriting::SharedWriting(shm::Reuse reuse) : state_(std::make_unique<State>(reuse)) {}

SharedWriting::~SharedWriting() = default;

const shm::Segments& SharedWriting::finish() {
  state_->publication.finish();
  return state_->publication.segments();
}

bool serialize_small(SEXP object, base::Bytes& out) {
  return is_small(object, kLeastThreshold, kDeepest) && serialize_plain(object, out);
}

void SharedWriting::write(SEXP object, base::Bytes& out) {
  const SharingOptions& options = state_->options;
  if (!options.on || is_small(object, options.threshold, kDeepest) || !reads_back()) return serialize_into(object, out);
  append(out, kMark, sizeof kMark);
  if (state_->write_strings(object, out)) return;
  state_->filter.emplace(out, state_->publication, options.threshold);
  write_by_r(object, *state_->filter);
  state_->filter.reset();
}

bool is_shared_stream(const uint8_t* data, size_t size) {
  return size > sizeof kMark && std::memcmp(data, kMark, sizeof kMark) == 0;
}

SEXP unserialize_shared(const uint8_t* data, size_t size) {
  const SEXP pair = PROTECT(unserialize_by_r(data + sizeof kMark, size - sizeof kMark));
  if (TYPEOF(pair) != VECSXP || XLENGTH(pair) != 2) Rf_error("a stream with shared vectors is broken");
  const SEXP object = VECTOR_ELT(pair, 1);
  // Or the list's reference would make the first write copy a whole vector.
  PROTECT(object);
  SET_VECTOR_ELT(pair, 1, R_NilValue);
  UNPROTECT(2);
  return object;
}

namespace {

// A vector of numbers in three chunks, with an attribute, and strings: what the filter takes for granted of R's writer.
SEXP trial_object() {
  const SEXP list = PROTECT(Rf_allocVector(VECSXP, 3));
  SET_VECTOR_ELT(list, 0, Rf_allocVector(REALSXP, 2 * kChunk + 7));
  for (R_xlen_t i = 0; i < XLENGTH(VECTOR_ELT(list, 0)); ++i) REAL(VECTOR_ELT(list, 0))[i] = static_cast<double>(i);
  Rf_setAttrib(VECTOR_ELT(list, 0), Rf_install("avenir"), Rf_ScalarInteger(1));
  SET_VECTOR_ELT(list, 1, Rf_allocVector(STRSXP, kLeastStrings));
  for (R_xlen_t i = 0; i < XLENGTH(VECTOR_ELT(list, 1)); ++i)
    SET_STRING_ELT(VECTOR_ELT(list, 1), i, Rf_mkChar(i % 2 == 0 ? "a" : "four"));
  SET_VECTOR_ELT(list, 2, shared_vector_symbol());
  UNPROTECT(1);
  return list;
}

struct Trial {
  shm::Publication publication{shm::Reuse::kNever};
  base::Bytes bytes;
  std::optional<Filter> filter;
  bool passed = false;

  void run() {
    const SEXP object = PROTECT(trial_object());
    append(bytes, kMark, sizeof kMark);
    filter.emplace(bytes, publication, kLeastThreshold);
    write_by_r(object, *filter);
    const SEXP read = PROTECT(unserialize_shared(bytes.data(), bytes.size()));
    constexpr int kAsIdentical = 16;  // identical()'s defaults
    passed = TYPEOF(read) == VECSXP && is_view(VECTOR_ELT(read, 0)) && is_view(VECTOR_ELT(read, 1)) &&
             R_compute_identical(object, read, kAsIdentical) != 0;
    UNPROTECT(2);
  }
};

bool try_out() {
  Trial trial;
  Trial* const one = &trial;
  const SEXP token = PROTECT(R_MakeUnwindCont());
  stops_jumps([one] { one->run(); }, token);
  UNPROTECT(1);
  return trial.passed;
}

bool reads_back() {
  static const bool passed = try_out();
  return passed;
}

}  // namespace

SEXP VectorSharing::share(SEXP x) {
  if (is_view(x)) return x;
  const auto type = static_cast<uint32_t>(TYPEOF(x));
  if (TYPEOF(x) == VECSXP) return share_list(x);
  return is_numeric_type(type) || TYPEOF(x) == STRSXP ? share_vector(x) : x;
}

SEXP VectorSharing::share_list(SEXP x) {
  const SEXP list = PROTECT(Rf_shallow_duplicate(x));
  for (R_xlen_t i = 0; i < XLENGTH(x); ++i) SET_VECTOR_ELT(list, i, share(VECTOR_ELT(x, i)));
  UNPROTECT(1);
  return list;
}

SEXP VectorSharing::share_vector(SEXP x) {
  const auto type = static_cast<VectorType>(TYPEOF(x));
  const auto length = static_cast<uint64_t>(XLENGTH(x));
  const bool strings = TYPEOF(x) == STRSXP;
  if (strings) raising([&] { table_ = table_of_strings(x); });
  const void* const data = strings ? table_.data() : DATAPTR_RO(x);
  const uint64_t bytes = strings ? table_.size() : length * shm::element_size(type);
  if (length == 0 || bytes < threshold_) return x;
  const VectorRecord record = raising([&] { return publication_.add(type, data, bytes, length); });
  table_ = base::SharedBytes();
  const SEXP view = PROTECT(make_view(record));
  SHALLOW_DUPLICATE_ATTRIB(view, x);
  UNPROTECT(1);
  return view;
}

}  // namespace avenir::rbridge
