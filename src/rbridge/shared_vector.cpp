#include "rbridge/shared_vector.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include <R_ext/Altrep.h>
#include "base/error.h"
#include "rbridge/raise.h"
#include "sys/memory_use.h"

namespace avenir::rbridge {

namespace {

using shm::VectorRecord;
using shm::VectorType;

// What a view's external pointer points at.
struct View {
  VectorRecord record;
  shm::Segments segments;  // to be sent on; empty when that is not possible
  shm::ViewMemory memory;
  shm::StringTable strings;
  bool expanded = false;  // strings: all of them are in data2
  bool written = false;   // strings: data2 is what counts

  ~View() { shm::SegmentStore::process().view_gone(record.bytes, memory.sole); }
};

View& view_of(SEXP x) { return *static_cast<View*>(R_ExternalPtrAddr(R_altrep_data1(x))); }

template <typename T>
T* data_of(SEXP x) {
  return reinterpret_cast<T*>(view_of(x).memory.data);
}

shm::Publication* forwarding_to = nullptr;

// ---- Methods of all classes

R_xlen_t length(SEXP x) { return static_cast<R_xlen_t>(view_of(x).record.length); }

void* data_pointer(SEXP x, Rboolean) { return view_of(x).memory.data; }

const void* data_or_null(SEXP x) { return view_of(x).memory.data; }

// R's serializer over-reports writing (it asks for a writable pointer itself), the system's page tables do not. Where
// they cannot be read the content tells.
bool is_unwritten(const View& view) {
  if (view.record.type == VectorType::kString) return !view.written;
  const auto pages = sys::private_mapping_cleanness(view.memory.data, view.record.bytes);
  if (pages.known) return pages.clean;
  const shm::ContentHash unknown{};
  return !(view.record.hash == unknown) &&
         shm::hash_content(view.memory.data, view.record.bytes, 1) == view.record.hash;
}

bool all_open(const shm::Segments& segments) {
  return std::all_of(segments.begin(), segments.end(), [](const auto& segment) { return segment->is_open(); });
}

bool can_forward(const View& view) { return !view.segments.empty() && all_open(view.segments) && is_unwritten(view); }

SEXP serialized_state(SEXP x) {
  if (forwarding_to == nullptr) return nullptr;
  const View& view = view_of(x);
  if (!raising([&] { return can_forward(view); })) return nullptr;
  raising([&] { forwarding_to->refer(view.segments); });
  const SEXP state = Rf_allocVector(RAWSXP, sizeof(VectorRecord));
  std::memcpy(RAW(state), &view.record, sizeof(VectorRecord));
  return state;
}

R_xlen_t no_length(SEXP) { return 0; }

SEXP unserialize_state(SEXP, SEXP state) {
  const bool raw = TYPEOF(state) == RAWSXP && !ALTREP(state);
  const VectorRecord record = raising([&] {
    return shm::decode_vector_record(raw ? RAW(state) : nullptr, raw ? static_cast<size_t>(XLENGTH(state)) : 0);
  });
  return make_view(record);
}

Rboolean inspect(SEXP x, int, int, int, void (*)(SEXP, int, int, int)) {
  Rprintf("avenir shared vector of %.0f bytes\n", static_cast<double>(view_of(x).record.bytes));
  return TRUE;
}

// ---- Numbers

template <typename T>
T element(SEXP x, R_xlen_t i) {
  return data_of<T>(x)[i];
}

template <typename T>
R_xlen_t region(SEXP x, R_xlen_t from, R_xlen_t count, T* target) {
  const R_xlen_t got = std::max<R_xlen_t>(0, std::min(count, length(x) - from));
  if (got > 0) std::memcpy(target, data_of<T>(x) + from, static_cast<size_t>(got) * sizeof(T));
  return got;
}

// -1: missing.
R_xlen_t index_at(SEXP indices, R_xlen_t i) {
  if (TYPEOF(indices) == INTSXP) {
    const int index = INTEGER_ELT(indices, i);
    return index == NA_INTEGER ? -1 : static_cast<R_xlen_t>(index) - 1;
  }
  const double index = REAL_ELT(indices, i);
  return R_FINITE(index) ? static_cast<R_xlen_t>(index) - 1 : -1;
}

template <typename T>
void pick(T* target, const T* data, R_xlen_t size, SEXP indices, T missing) {
  const R_xlen_t count = XLENGTH(indices);
  for (R_xlen_t k = 0; k < count; ++k) {
    const R_xlen_t i = index_at(indices, k);
    target[k] = i >= 0 && i < size ? data[i] : missing;
  }
}

Rcomplex missing_complex() {
  Rcomplex missing;
  missing.r = missing.i = NA_REAL;
  return missing;
}

SEXP extract_subset(SEXP x, SEXP indices, SEXP) {
  if (TYPEOF(indices) != INTSXP && TYPEOF(indices) != REALSXP) return nullptr;
  const R_xlen_t size = length(x);
  const SEXP result = Rf_allocVector(static_cast<SEXPTYPE>(TYPEOF(x)), XLENGTH(indices));
  PROTECT(result);  // the indices may be an ALTREP vector whose methods allocate
  switch (TYPEOF(x)) {
    case LGLSXP:
      pick(LOGICAL(result), data_of<int>(x), size, indices, NA_LOGICAL);
      break;
    case INTSXP:
      pick(INTEGER(result), data_of<int>(x), size, indices, NA_INTEGER);
      break;
    case REALSXP:
      pick(REAL(result), data_of<double>(x), size, indices, NA_REAL);
      break;
    case CPLXSXP:
      pick(COMPLEX(result), data_of<Rcomplex>(x), size, indices, missing_complex());
      break;
    default:
      pick(RAW(result), data_of<Rbyte>(x), size, indices, Rbyte{0});
  }
  UNPROTECT(1);
  return result;
}

// ---- Strings: data2 keeps those that were asked for, because R takes a string to live as long as its vector

SEXP make_string(const shm::StringTable::Text& text) {
  switch (text.mark) {
    case shm::kMissingText:
      return NA_STRING;
    case shm::kUtf8Text:
      return Rf_mkCharLenCE(text.data, text.size, CE_UTF8);
    case shm::kLatin1Text:
      return Rf_mkCharLenCE(text.data, text.size, CE_LATIN1);
    case shm::kBytesText:
      return Rf_mkCharLenCE(text.data, text.size, CE_BYTES);
    default:
      return Rf_mkCharLenCE(text.data, text.size, CE_NATIVE);
  }
}

SEXP kept_strings(SEXP x) {
  if (R_altrep_data2(x) == R_NilValue) R_set_altrep_data2(x, Rf_allocVector(STRSXP, length(x)));
  return R_altrep_data2(x);
}

SEXP string_element(SEXP x, R_xlen_t i) {
  const SEXP kept = kept_strings(x);
  View& view = view_of(x);
  const SEXP string = STRING_ELT(kept, i);
  if (view.expanded || string != R_BlankString) return string;
  const auto text = raising([&] { return view.strings.at(static_cast<uint64_t>(i)); });
  if (text.size == 0 && text.mark != shm::kMissingText) return string;
  SET_STRING_ELT(kept, i, make_string(text));
  return STRING_ELT(kept, i);
}

SEXP expand_strings(SEXP x) {
  const SEXP kept = kept_strings(x);
  View& view = view_of(x);
  if (!view.expanded)
    for (R_xlen_t i = 0; i < length(x); ++i) string_element(x, i);
  view.expanded = true;
  return kept;
}

void set_string(SEXP x, R_xlen_t i, SEXP value) {
  SET_STRING_ELT(expand_strings(x), i, value);
  view_of(x).written = true;
}

void* strings_pointer(SEXP x, Rboolean writable) {
  const SEXP strings = expand_strings(x);
  if (writable == TRUE) view_of(x).written = true;
  return const_cast<void*>(DATAPTR_RO(strings));
}

const void* strings_or_null(SEXP x) { return view_of(x).expanded ? DATAPTR_RO(R_altrep_data2(x)) : nullptr; }

SEXP strings_subset(SEXP x, SEXP indices, SEXP) {
  if (TYPEOF(indices) != INTSXP && TYPEOF(indices) != REALSXP) return nullptr;
  const SEXP result = PROTECT(Rf_allocVector(STRSXP, XLENGTH(indices)));
  for (R_xlen_t k = 0; k < XLENGTH(indices); ++k) {
    const R_xlen_t i = index_at(indices, k);
    SET_STRING_ELT(result, k, i >= 0 && i < length(x) ? string_element(x, i) : NA_STRING);
  }
  UNPROTECT(1);
  return result;
}

// ---- The classes

struct Classes {
  R_altrep_class_t logical, integer, real, complex, raw, string, any;
} classes;

constexpr const char* kPackage = "avenir";

void set_common_methods(R_altrep_class_t made) {
  R_set_altrep_Length_method(made, length);
  R_set_altrep_Inspect_method(made, inspect);
  R_set_altrep_Serialized_state_method(made, serialized_state);
  R_set_altrep_Unserialize_method(made, unserialize_state);
}

R_altrep_class_t of_numbers(R_altrep_class_t made) {
  set_common_methods(made);
  R_set_altvec_Dataptr_method(made, data_pointer);
  R_set_altvec_Dataptr_or_null_method(made, data_or_null);
  R_set_altvec_Extract_subset_method(made, extract_subset);
  return made;
}

R_altrep_class_t class_of(VectorType type) {
  switch (type) {
    case VectorType::kLogical:
      return classes.logical;
    case VectorType::kInteger:
      return classes.integer;
    case VectorType::kReal:
      return classes.real;
    case VectorType::kComplex:
      return classes.complex;
    case VectorType::kRaw:
      return classes.raw;
    default:
      return classes.string;
  }
}

void finalize(SEXP pointer) {
  delete static_cast<View*>(R_ExternalPtrAddr(pointer));
  R_ClearExternalPtr(pointer);
}

View* open_view(const VectorRecord& record) {
  shm::SegmentStore& store = shm::SegmentStore::process();
  shm::Segments segments = store.find(record);
  if (segments.empty())
    throw base::Error(base::ErrorKind::kInvalid,
                      "a vector lies in a segment of shared memory that this process was not sent");
  shm::ViewMemory memory = record.parts == 2 ? shm::Segment::view_of_two(segments, record.bytes)
                                             : segments.front()->view(record.offset, record.bytes);
  store.view_made(record.bytes, memory.sole);
  std::unique_ptr<View> view(new View{record, {}, std::move(memory), {}});
  if (all_open(segments)) view->segments = std::move(segments);
  if (record.type == VectorType::kString)
    view->strings = shm::StringTable(view->memory.data, record.bytes, record.length);
  return view.release();
}

// R's collector does not know what views hold.
void collect_if_due() {
  if (!shm::SegmentStore::process().collection_due()) return;
  R_gc();
  shm::SegmentStore::process().collected();
}

}  // namespace

void register_shared_vectors(DllInfo* dll) {
  classes.logical = of_numbers(R_make_altlogical_class("avenir_logical", kPackage, dll));
  R_set_altlogical_Elt_method(classes.logical, element<int>);
  R_set_altlogical_Get_region_method(classes.logical, region<int>);
  classes.integer = of_numbers(R_make_altinteger_class("avenir_integer", kPackage, dll));
  R_set_altinteger_Elt_method(classes.integer, element<int>);
  R_set_altinteger_Get_region_method(classes.integer, region<int>);
  classes.real = of_numbers(R_make_altreal_class("avenir_real", kPackage, dll));
  R_set_altreal_Elt_method(classes.real, element<double>);
  R_set_altreal_Get_region_method(classes.real, region<double>);
  classes.complex = of_numbers(R_make_altcomplex_class("avenir_complex", kPackage, dll));
  R_set_altcomplex_Elt_method(classes.complex, element<Rcomplex>);
  R_set_altcomplex_Get_region_method(classes.complex, region<Rcomplex>);
  classes.raw = of_numbers(R_make_altraw_class("avenir_raw", kPackage, dll));
  R_set_altraw_Elt_method(classes.raw, element<Rbyte>);
  R_set_altraw_Get_region_method(classes.raw, region<Rbyte>);
  classes.string = R_make_altstring_class("avenir_string", kPackage, dll);
  set_common_methods(classes.string);
  R_set_altvec_Dataptr_method(classes.string, strings_pointer);
  R_set_altvec_Dataptr_or_null_method(classes.string, strings_or_null);
  R_set_altvec_Extract_subset_method(classes.string, strings_subset);
  R_set_altstring_Elt_method(classes.string, string_element);
  R_set_altstring_Set_elt_method(classes.string, set_string);
  // In streams only: its state says which of the others it becomes.
  classes.any = R_make_altinteger_class(kPackage, kPackage, dll);
  R_set_altrep_Length_method(classes.any, no_length);
  R_set_altrep_Serialized_state_method(classes.any, R_altrep_data1);
  R_set_altrep_Unserialize_method(classes.any, unserialize_state);
}

SEXP shared_vector_symbol() { return Rf_install(kPackage); }

SEXP make_view(const VectorRecord& record) {
  collect_if_due();
  View* const view = raising([&] { return open_view(record); });
  const SEXP pointer = PROTECT(R_MakeExternalPtr(view, R_NilValue, R_NilValue));
  R_RegisterCFinalizerEx(pointer, finalize, FALSE);
  const SEXP vector = R_new_altrep(class_of(record.type), pointer, R_NilValue);
  UNPROTECT(1);
  return vector;
}

SEXP make_reference(const VectorRecord& record) {
  const SEXP state = PROTECT(Rf_allocVector(RAWSXP, sizeof record));
  std::memcpy(RAW(state), &record, sizeof record);
  const SEXP reference = R_new_altrep(classes.any, state, R_NilValue);
  UNPROTECT(1);
  return reference;
}

bool is_view(SEXP object) {
  if (!ALTREP(object)) return false;
  for (const auto& one : {classes.logical, classes.integer, classes.real, classes.complex, classes.raw, classes.string})
    if (R_altrep_inherits(object, one)) return true;
  return false;
}

bool is_clean_view(SEXP object) {
  return is_view(object) && raising([&] { return is_unwritten(view_of(object)); });
}

ForwardingViews::ForwardingViews(shm::Publication& publication) { forwarding_to = &publication; }

ForwardingViews::~ForwardingViews() { forwarding_to = nullptr; }

namespace {

// Bytes of these strings together, from some of them: to look at all takes as long as to copy them.
uint64_t likely_text_size(const SEXP* texts, R_xlen_t count) {
  const R_xlen_t step = count / 1000 + 1;
  uint64_t size = 0, seen = 0;
  for (R_xlen_t i = 0; i < count; i += step, ++seen) size += static_cast<uint64_t>(LENGTH(texts[i]));
  return seen == 0 ? 0 : size * static_cast<uint64_t>(count) / seen * 9 / 8 + 64;
}

}  // namespace

uint64_t likely_table_size(SEXP strings) {
  constexpr uint64_t kOfEach = sizeof(uint64_t) + 1;  // its end and its mark
  const R_xlen_t count = XLENGTH(strings);
  return static_cast<uint64_t>(count) * kOfEach + likely_text_size(STRING_PTR_RO(strings), count);
}

base::SharedBytes table_of_strings(SEXP strings) {
  const SEXP* const texts = STRING_PTR_RO(strings);
  const R_xlen_t count = XLENGTH(strings);
  shm::StringTableWriter table(static_cast<uint64_t>(count), likely_text_size(texts, count));
  for (R_xlen_t i = 0; i < count; ++i) {
    const SEXP text = texts[i];
    if (text == NA_STRING) {
      table.add("", 0, shm::kMissingText);
      continue;
    }
    const cetype_t encoding = Rf_getCharCE(text);
    const auto mark = encoding == CE_UTF8     ? shm::kUtf8Text
                      : encoding == CE_LATIN1 ? shm::kLatin1Text
                      : encoding == CE_BYTES  ? shm::kBytesText
                                              : shm::kNativeText;
    table.add(CHAR(text), static_cast<size_t>(LENGTH(text)), mark);
  }
  return table.finish();
}

}  // namespace avenir::rbridge
