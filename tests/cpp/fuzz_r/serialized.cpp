// libFuzzer's target for serialized objects (src/rbridge). The first byte chooses:
//   bytes of plain vectors, whole or broken: our own reader gives what R's gives, or both refuse;
//   objects, of the bytes' choice: our own writer gives R's bytes, and they come back, also through shared memory;
//   the record of a vector in shared memory with some of its bytes changed: refused, or a vector that can be read.
// R's own reader is not asked about other types than plain vectors: it trusts what it reads.

#include <algorithm>
#include <cstring>
#include <vector>

#include "../fuzz/input.h"
#include "embedded.h"

using avenir::fuzz::Input;

namespace {

SEXP raw_of(const std::vector<uint8_t>& bytes) {
  const SEXP raw = Rf_allocVector(RAWSXP, static_cast<R_xlen_t>(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), RAW(raw));
  return raw;
}

// ---- Bytes of plain vectors

constexpr int kNilItem = 254;

// Follows the items as R reads them; false where one is of another type, or is large.
class PlainItems {
 public:
  PlainItems(const uint8_t* data, size_t size) : in_(data, size) {}

  bool follow(int depth) {
    const auto type = in_.get<uint32_t>();
    if (type == kNilItem || in_.left() == 0) return true;
    const int each = size_of(type);
    if (each < 0 || depth > 40) return false;
    const auto length = in_.get<uint32_t>();
    if (length > 4096) return length >= 0xF0000000u && length != 0xFFFFFFFFu;  // negative: refused. -1: a long vector's
    if (each > 0) return skip(size_t{length} * static_cast<size_t>(each));
    for (uint32_t i = 0; i < length && in_.left() > 0; ++i)
      if (!(type == STRSXP ? string() : follow(depth + 1))) return false;
    return true;
  }

 private:
  static int size_of(uint32_t type) {
    switch (type) {
      case LGLSXP:
      case INTSXP:
        return 4;
      case REALSXP:
        return 8;
      case CPLXSXP:
        return 16;
      case RAWSXP:
        return 1;
      case STRSXP:
      case VECSXP:
        return 0;
      default:
        return -1;
    }
  }
  bool string() {
    const auto flags = in_.get<uint32_t>(), length = in_.get<uint32_t>();
    if ((flags & 0xFFF) != CHARSXP || flags >> 12 > 127) return false;
    return length == 0xFFFFFFFFu || (length <= 4096 && skip(length));
  }
  bool skip(size_t size) {
    const size_t some = std::min(size, in_.left());
    in_ = Input(in_.rest() + some, in_.left() - some);
    return true;
  }

  Input in_;
};

void try_bytes(Input in) {
  if (!PlainItems(in.rest(), in.left()).follow(0)) return;
  const std::vector<uint8_t> bytes(in.rest(), in.rest() + in.left());
  avenir::fuzz::check("check_plain_bytes", PROTECT(raw_of(bytes)));
  UNPROTECT(1);
}

// ---- Objects

SEXP text_from(Input& in) {
  char text[8];
  const int length = static_cast<int>(in.below(8));
  const cetype_t encoding = in.one_of({CE_NATIVE, CE_UTF8, CE_LATIN1, CE_BYTES});
  if (in.below(16) == 15) return NA_STRING;
  for (int i = 0; i < length; ++i) {
    const auto byte = in.get<uint8_t>();
    const bool plain = encoding == CE_NATIVE || encoding == CE_UTF8;  // others would be no valid text
    text[i] = static_cast<char>(byte == 0 ? 'a' : plain ? byte & 127 : byte);
    if (text[i] == 0) text[i] = 'b';
  }
  return Rf_mkCharLenCE(text, length, encoding);
}

// Some of them large enough to be shared: a few values again and again.
R_xlen_t length_from(Input& in) {
  const uint8_t choice = in.get<uint8_t>();
  return choice < 200 ? choice % 8 : choice < 250 ? 1000 + choice : 9000 + 100 * choice;
}

SEXP object(Input& in, int depth);

SEXP numbers(Input& in, SEXPTYPE type) {
  const R_xlen_t length = length_from(in);
  const SEXP x = PROTECT(Rf_allocVector(type, length));
  auto* const bytes = type == RAWSXP    ? RAW(x)
                      : type == REALSXP ? reinterpret_cast<Rbyte*>(REAL(x))
                      : type == CPLXSXP ? reinterpret_cast<Rbyte*>(COMPLEX(x))
                      : type == LGLSXP  ? reinterpret_cast<Rbyte*>(LOGICAL(x))
                                        : reinterpret_cast<Rbyte*>(INTEGER(x));
  const size_t each = type == RAWSXP ? 1 : type == REALSXP ? 8 : type == CPLXSXP ? 16 : 4;
  const size_t size = static_cast<size_t>(length) * each, own = std::min<size_t>(size, 64);
  for (size_t i = 0; i < own; ++i) bytes[i] = in.get<uint8_t>();
  for (size_t i = own; i < size; ++i) bytes[i] = bytes[i - own];
  if (type == LGLSXP)
    for (R_xlen_t i = 0; i < length; ++i) LOGICAL(x)[i] = LOGICAL(x)[i] % 3 == 0 ? NA_LOGICAL : LOGICAL(x)[i] & 1;
  UNPROTECT(1);
  return x;
}

SEXP strings(Input& in) {
  const R_xlen_t length = length_from(in);
  const SEXP x = PROTECT(Rf_allocVector(STRSXP, length));
  const R_xlen_t own = std::min<R_xlen_t>(length, 6);
  for (R_xlen_t i = 0; i < own; ++i) SET_STRING_ELT(x, i, text_from(in));
  for (R_xlen_t i = own; i < length; ++i) SET_STRING_ELT(x, i, STRING_ELT(x, i % own));
  UNPROTECT(1);
  return x;
}

SEXP list(Input& in, int depth) {
  const auto length = static_cast<R_xlen_t>(in.below(in.below(8) == 0 ? 80 : 5));
  const SEXP x = PROTECT(Rf_allocVector(VECSXP, length));
  for (R_xlen_t i = 0; i < length; ++i) SET_VECTOR_ELT(x, i, object(in, depth + 1));
  UNPROTECT(1);
  return x;
}

SEXP call_from(Input& in, int depth) {
  const SEXP first = PROTECT(object(in, depth + 1)), second = PROTECT(object(in, depth + 1));
  const SEXP x = Rf_lang3(Rf_install(in.one_of({"f", "g", "avenir"})), first, second);
  UNPROTECT(2);
  return x;
}

SEXP bare(Input& in, int depth) {
  switch (in.below(12)) {
    case 0:
      return R_NilValue;
    case 1:
      return numbers(in, LGLSXP);
    case 2:
      return numbers(in, INTSXP);
    case 3:
      return numbers(in, REALSXP);
    case 4:
      return numbers(in, CPLXSXP);
    case 5:
      return numbers(in, RAWSXP);
    case 6:
    case 7:
      return strings(in);
    case 8:
      return Rf_install(in.one_of({"a", "avenir", "x1"}));
    case 9:
      return depth > 5 ? R_NilValue : call_from(in, depth);
    default:
      return depth > 9 || in.left() == 0 ? R_NilValue : list(in, depth);
  }
}

SEXP object(Input& in, int depth) {
  const SEXP x = PROTECT(bare(in, depth));
  const bool takes = TYPEOF(x) != NILSXP && TYPEOF(x) != SYMSXP;
  if (takes && in.below(8) == 7) {
    const SEXP attribute = PROTECT(depth > 3 ? Rf_ScalarInteger(1) : object(in, depth + 2));
    Rf_setAttrib(x, Rf_install(in.one_of({"note", "about", "avenir"})), attribute);
    UNPROTECT(1);
  }
  UNPROTECT(1);
  return x;
}

void try_object(Input in) {
  avenir::fuzz::check("check_object", PROTECT(object(in, 0)));
  UNPROTECT(1);
}

// ---- A record in a stream

// Of a vector of numbers, of strings, and of both.
void try_record(Input in) {
  static const SEXP streams = [] {
    const SEXP made = avenir::fuzz::evaluate("shared_streams()");
    R_PreserveObject(made);
    return made;
  }();
  const SEXP stream = VECTOR_ELT(streams, static_cast<R_xlen_t>(in.below(static_cast<size_t>(LENGTH(streams)))));
  std::vector<uint8_t> bytes(RAW(stream), RAW(stream) + XLENGTH(stream));
  static constexpr char kMark[] = "AVAVEV02";
  const auto at = std::search(bytes.begin(), bytes.end(), kMark, kMark + 8);
  if (at == bytes.end()) std::abort();
  constexpr size_t kRecord = 72;
  for (size_t left = in.below(6); left > 0; --left) {
    const size_t place = in.below(kRecord);
    at[static_cast<long>(place)] = in.get<uint8_t>();
  }
  avenir::fuzz::check("check_stream", PROTECT(raw_of(bytes)));
  UNPROTECT(1);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  avenir::fuzz::start_r();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  switch (in.below(3)) {
    case 0:
      try_bytes(in);
      break;
    case 1:
      try_object(in);
      break;
    default:
      try_record(in);
  }
  return 0;
}
