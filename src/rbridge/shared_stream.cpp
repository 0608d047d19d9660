#include "rbridge/shared_stream.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "rbridge/raise.h"
#include "rbridge/serialize.h"
#include "rbridge/share_filter.h"
#include "rbridge/source_files.h"
#include "rbridge/unwind.h"

namespace avenir::rbridge {

namespace {

using shm::VectorRecord;
using shm::VectorType;

constexpr char kMark[4] = {'A', 'V', 'S', '1'};

// Of lists so much is looked at: it must cost little where there is nothing to be found.
constexpr int kDeepest = 8;
constexpr unsigned kMostElements = 10000;

// Of R's own ALTREP classes the one that adds something to an ordinary vector; others have short records of their own.
bool is_wrapper(SEXP object) { return !is_view(object) && DATAPTR_OR_NULL(object) != nullptr; }

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

  // False when it is no character vector, or a small one.
  bool publish_strings(SEXP object, VectorRecord& record) {
    if (TYPEOF(object) != STRSXP || XLENGTH(object) < kLeastStrings || XLENGTH(object) > INT32_MAX) return false;
    if (ALTREP(object) && !is_wrapper(object)) return false;
    if (likely_table_size(object) < options.threshold) return false;  // R's writer notices if it is larger after all
    raising([&] { table = table_of_strings(object); });
    const auto length = static_cast<uint64_t>(XLENGTH(object));
    const bool done = table.size() >= options.threshold &&
                      publish_vector(publication, VectorType::kString, table.data(), table.size(), length, record);
    table = base::SharedBytes();
    return done;
  }

  // R's writer would take character vectors string by string. The object with references in the place of large ones in
  // it, as far as they lie in lists (data frames are some): of these a copy without what they hold. Not protected.
  SEXP with_references(SEXP object, int depth) {
    if (TYPEOF(object) == STRSXP) return reference_to_strings(object);
    if (TYPEOF(object) != VECSXP || ALTREP(object) || depth == 0) return object;
    PROTECT_INDEX slot;
    SEXP list = object;
    PROTECT_WITH_INDEX(list, &slot);
    for (R_xlen_t i = 0; i < XLENGTH(object) && elements_left > 0; ++i) {
      --elements_left;
      const SEXP element = VECTOR_ELT(object, i);
      const SEXP other = PROTECT(with_references(element, depth - 1));
      if (other != element && list == object) REPROTECT(list = Rf_shallow_duplicate(object), slot);
      if (other != element) SET_VECTOR_ELT(list, i, other);
      UNPROTECT(1);
    }
    UNPROTECT(1);
    return list;
  }

  SEXP reference_to_strings(SEXP object) {
    VectorRecord record;
    if (!publish_strings(object, record)) return object;
    const SEXP reference = PROTECT(make_reference(record));
    SHALLOW_DUPLICATE_ATTRIB(reference, object);
    UNPROTECT(1);
    return reference;
  }

  shm::Publication publication;
  ForwardingViews forwarding;
  SharingOptions options;
  std::optional<ShareFilter> filter;
  base::SharedBytes table;
  unsigned elements_left = 0;
};

SharedWriting::SharedWriting(shm::Reuse reuse) : state_(std::make_unique<State>(reuse)) {}

SharedWriting::~SharedWriting() = default;

const shm::Segments& SharedWriting::finish() {
  state_->publication.finish();
  return state_->publication.segments();
}

bool serialize_small(SEXP object, base::Bytes& out) {
  return serialize_plain(object, out, {kLeastThreshold, kLeastStrings});
}

void SharedWriting::write(SEXP object, base::Bytes& out) {
  const SharingOptions& options = state_->options;
  if (!options.on || is_plain(object, {options.threshold, kLeastStrings}) || !reads_back())
    return serialize_into(object, out);
  append_bytes(out, kMark, sizeof kMark);
  state_->elements_left = kMostElements;
  const SEXP written = PROTECT(state_->with_references(object, kDeepest));
  state_->filter.emplace(out, state_->publication, options.threshold);
  state_->filter->serialize(written);
  state_->filter.reset();
  UNPROTECT(1);
}

bool is_shared_stream(const uint8_t* data, size_t size) {
  return size > sizeof kMark && std::memcmp(data, kMark, sizeof kMark) == 0;
}

SEXP unserialize_shared(const uint8_t* data, size_t size) {
  const SEXP pair = PROTECT(unserialize_by_r(data + sizeof kMark, size - sizeof kMark, source_file_of));
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
  SET_VECTOR_ELT(list, 0, Rf_allocVector(REALSXP, 3 * kLeastThreshold));
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
  std::optional<ShareFilter> filter;
  bool passed = false;

  void run() {
    const SEXP object = PROTECT(trial_object());
    append_bytes(bytes, kMark, sizeof kMark);
    filter.emplace(bytes, publication, kLeastThreshold);
    filter->serialize(object);
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
