#include "rbridge/serialize.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "rbridge/entry_points.h"
#include "rbridge/shared_stream.h"
#include "rbridge/travel.h"
#include "shm/vector_record.h"

namespace avenir::rbridge {

namespace {

constexpr int kSerializeVersion = 3;
constexpr int kNilItem = 254;
constexpr int kCharEncodingShift = 12;
constexpr int kLatin1 = 1 << 2, kUtf8 = 1 << 3, kBytes = 1 << 1, kAscii = 1 << 6;

// Appends without throwing through R's frames.
class Output {
 public:
  explicit Output(base::Bytes& bytes) : bytes_(bytes), before_(bytes.size()) {}

  void put(const void* data, size_t size) {
    if (failed_) return;
    try {
      const auto* begin = static_cast<const uint8_t*>(data);
      bytes_.insert(bytes_.end(), begin, begin + size);
    } catch (const std::bad_alloc&) {
      failed_ = true;
    }
  }
  void put_int(int value) { put(&value, sizeof value); }

  // Takes everything back when something did not fit.
  bool finish() {
    if (failed_) bytes_.resize(before_);
    return !failed_;
  }
  [[noreturn]] void refuse() const {
    Rf_error("out of memory while serializing: %.0f bytes so far", static_cast<double>(bytes_.size() - before_));
  }
  bool failed() const { return failed_; }

 private:
  base::Bytes& bytes_;
  const size_t before_;
  bool failed_ = false;
};

// ---- the fast writer

size_t element_size(int type) { return shm::element_size(static_cast<shm::VectorType>(type)); }

bool plain_type(int type) { return type == NILSXP || type == STRSXP || type == VECSXP || element_size(type) > 0; }

constexpr int kDeepest = 8;
constexpr R_xlen_t kLongestList = 64;

bool is_small(SEXP object, const SizeLimits& limits) {
  if (TYPEOF(object) == STRSXP) return XLENGTH(object) < limits.strings;
  return static_cast<uint64_t>(XLENGTH(object)) * element_size(TYPEOF(object)) < limits.bytes;
}

// ALTREP vectors have records of their own, objects and attributes need R's reference table; deep and long
// lists are left to R too, so that the check stays cheap.
bool is_plain(SEXP object, const SizeLimits& limits, int depth) {
  if (!plain_type(TYPEOF(object)) || ALTREP(object) || has_attributes(object) || Rf_isObject(object)) return false;
  if (object == R_NilValue) return true;
  if (TYPEOF(object) != VECSXP) return !IS_LONG_VEC(object) && is_small(object, limits);
  if (depth == 0 || XLENGTH(object) > kLongestList) return false;
  for (R_xlen_t i = 0; i < XLENGTH(object); ++i)
    if (!is_plain(VECTOR_ELT(object, i), limits, depth - 1)) return false;
  return true;
}

int encoding_levels(SEXP text) {
  const char* bytes = CHAR(text);
  if (std::all_of(bytes, bytes + LENGTH(text), [](char c) { return static_cast<unsigned char>(c) < 128; }))
    return kAscii;
  switch (Rf_getCharCE(text)) {
    case CE_UTF8:
      return kUtf8;
    case CE_LATIN1:
      return kLatin1;
    case CE_BYTES:
      return kBytes;
    default:
      return 0;
  }
}

void put_strings(SEXP object, Output& out) {
  for (R_xlen_t i = 0; i < XLENGTH(object); ++i) {
    const SEXP text = STRING_ELT(object, i);
    const bool missing = text == NA_STRING;
    out.put_int(CHARSXP | ((missing ? 0 : encoding_levels(text)) << kCharEncodingShift));
    out.put_int(missing ? -1 : LENGTH(text));
    if (!missing) out.put(CHAR(text), static_cast<size_t>(LENGTH(text)));
  }
}

void put_plain(SEXP object, Output& out) {
  if (object == R_NilValue) return out.put_int(kNilItem);
  out.put_int(TYPEOF(object));
  out.put_int(LENGTH(object));
  const auto length = static_cast<size_t>(XLENGTH(object));
  switch (TYPEOF(object)) {
    case LGLSXP:
      return out.put(LOGICAL(object), length * sizeof(int));
    case INTSXP:
      return out.put(INTEGER(object), length * sizeof(int));
    case REALSXP:
      return out.put(REAL(object), length * sizeof(double));
    case CPLXSXP:
      return out.put(COMPLEX(object), length * sizeof(Rcomplex));
    case RAWSXP:
      return out.put(RAW(object), length);
    case STRSXP:
      return put_strings(object, out);
    default:
      for (size_t i = 0; i < length; ++i) put_plain(VECTOR_ELT(object, static_cast<R_xlen_t>(i)), out);
  }
}

// ---- the fast reader

struct Input {
  const uint8_t* at;
  size_t left;
  SEXP (*named)(SEXP name) = nullptr;
};

bool get_int(Input& input, int& value) {
  if (input.left < sizeof value) return false;
  std::memcpy(&value, input.at, sizeof value);
  input.at += sizeof value;
  input.left -= sizeof value;
  return true;
}

void* vector_data(SEXP vector) {
  switch (TYPEOF(vector)) {
    case LGLSXP:
      return LOGICAL(vector);
    case INTSXP:
      return INTEGER(vector);
    case REALSXP:
      return REAL(vector);
    case CPLXSXP:
      return COMPLEX(vector);
    default:
      return RAW(vector);
  }
}

// nullptr for a string that R is to read: one in the native encoding, which may be another here.
SEXP get_string(Input& input) {
  int flags, length;
  if (!get_int(input, flags) || !get_int(input, length)) return nullptr;
  if (flags == CHARSXP && length == -1) return NA_STRING;
  const int levels = flags >> kCharEncodingShift;
  if (flags != (CHARSXP | (levels << kCharEncodingShift)) || length < 0 || static_cast<size_t>(length) > input.left)
    return nullptr;
  const auto* text = reinterpret_cast<const char*>(input.at);
  input.at += length;
  input.left -= static_cast<size_t>(length);
  switch (levels) {
    case kAscii:
      return Rf_mkCharLenCE(text, length, CE_NATIVE);
    case kUtf8:
      return Rf_mkCharLenCE(text, length, CE_UTF8);
    case kLatin1:
      return Rf_mkCharLenCE(text, length, CE_LATIN1);
    case kBytes:
      return Rf_mkCharLenCE(text, length, CE_BYTES);
    default:
      return nullptr;
  }
}

// What put_plain() writes; nullptr for anything else, which is R's to read or to refuse. The result is not protected.
SEXP get_plain(Input& input, int depth) {
  int type, length;
  if (!get_int(input, type)) return nullptr;
  if (type == kNilItem) return R_NilValue;
  if (type == NILSXP || !plain_type(type) || !get_int(input, length) || length < 0) return nullptr;
  const auto count = static_cast<size_t>(length);
  if (const size_t size = element_size(type)) {
    if (count > input.left / size) return nullptr;
    const SEXP vector = Rf_allocVector(static_cast<SEXPTYPE>(type), length);
    if (count > 0) std::memcpy(vector_data(vector), input.at, count * size);
    input.at += count * size;
    input.left -= count * size;
    return vector;
  }
  if (depth == 0 || count > input.left / sizeof(int)) return nullptr;
  const SEXP vector = PROTECT(Rf_allocVector(static_cast<SEXPTYPE>(type), length));
  bool known = true;
  for (R_xlen_t i = 0; known && i < length; ++i) {
    const SEXP element = type == STRSXP ? get_string(input) : get_plain(input, depth - 1);
    known = element != nullptr;
    if (!known) break;
    if (type == STRSXP)
      SET_STRING_ELT(vector, i, element);
    else
      SET_VECTOR_ELT(vector, i, element);
  }
  UNPROTECT(1);
  return known ? vector : nullptr;
}

// ---- R's writer and reader

void out_bytes(R_outpstream_t stream, void* data, int size) {
  auto& out = *static_cast<Output*>(stream->data);
  out.put(data, static_cast<size_t>(size));
  if (out.failed()) out.refuse();
}

void out_char(R_outpstream_t stream, int byte) {
  auto value = static_cast<char>(byte);
  out_bytes(stream, &value, 1);
}

void write_by_r(SEXP object, base::Bytes& bytes) {
  Output out(bytes);
  R_outpstream_st stream;
  R_InitOutPStream(&stream, &out, R_pstream_binary_format, kSerializeVersion, out_char, out_bytes, nullptr, R_NilValue);
  set_travelling(true);
  R_Serialize(object, &stream);
  set_travelling(false);
}

// What R itself writes first: it depends on the session only (its version and native encoding). Empty until it is
// known.
base::Bytes head;

// May jump.
void learn_head() {
  if (!head.empty()) return;
  base::Bytes whole;  // ends with the item NULL
  write_by_r(R_NilValue, whole);
  head.assign(whole.begin(), whole.end() - static_cast<long>(sizeof(int)));
}

void in_bytes(R_inpstream_t stream, void* target, int size) {
  auto* input = static_cast<Input*>(stream->data);
  if (static_cast<size_t>(size) > input->left) Rf_error("a serialized object ends early");
  std::memcpy(target, input->at, static_cast<size_t>(size));
  input->at += size;
  input->left -= static_cast<size_t>(size);
}

int in_char(R_inpstream_t stream) {
  uint8_t byte;
  in_bytes(stream, &byte, 1);
  return byte;
}

}  // namespace

bool is_plain(SEXP object, SizeLimits limits) { return is_plain(object, limits, kDeepest); }

bool serialize_plain(SEXP object, base::Bytes& bytes, SizeLimits limits) {
  if (head.empty() || !is_plain(object, limits)) return false;
  Output out(bytes);
  out.put(head.data(), head.size());
  put_plain(object, out);
  return out.finish();
}

void serialize_into(SEXP object, base::Bytes& bytes) {
  learn_head();
  if (!serialize_plain(object, bytes)) write_by_r(object, bytes);
}

SEXP unserialize_by_r(const uint8_t* data, size_t size, SEXP (*named)(SEXP name)) {
  Input input{data, size, named};
  const auto hook = [](SEXP name, SEXP stream) {
    return static_cast<const Input*>(R_ExternalPtrAddr(stream))->named(name);
  };
  R_inpstream_st stream;
  const SEXP self = PROTECT(named == nullptr ? R_NilValue : R_MakeExternalPtr(&input, R_NilValue, R_NilValue));
  R_InitInPStream(&stream, &input, R_pstream_any_format, in_char, in_bytes, named == nullptr ? nullptr : +hook, self);
  const SEXP object = R_Unserialize(&stream);
  UNPROTECT(1);
  return object;
}

SEXP unserialize(const uint8_t* data, size_t size) {
  if (is_shared_stream(data, size)) return unserialize_shared(data, size);
  learn_head();
  if (size > head.size() && std::memcmp(data, head.data(), head.size()) == 0) {
    Input plain{data + head.size(), size - head.size()};
    const SEXP value = get_plain(plain, kDeepest);
    if (value != nullptr) return value;
  }
  return unserialize_by_r(data, size);
}

}  // namespace avenir::rbridge
