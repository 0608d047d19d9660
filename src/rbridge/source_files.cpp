#include "rbridge/source_files.h"

#include <cstring>
#include <list>
#include <string>

#include "base/error.h"
#include "rbridge/entry_points.h"
#include "rbridge/raise.h"
#include "rbridge/serialize.h"
#include "rbridge/shared_vector.h"

namespace avenir::rbridge {

namespace {

constexpr R_xlen_t kManyLines = 256, kMuchParseData = 4096;
constexpr size_t kMostKept = 16;
const std::string kPrefix = "avenir source ";

SEXP field(SEXP environment, const char* name) {
  const SEXP value = variable(Rf_install(name), environment);
  return value == R_UnboundValue ? R_NilValue : value;
}

bool is_heavy(SEXP environment) {
  return TYPEOF(environment) == ENVSXP && Rf_inherits(environment, "srcfile") &&
         (Rf_xlength(field(environment, "lines")) >= kManyLines ||
          Rf_xlength(field(environment, "parseData")) >= kMuchParseData);
}

// One that this process has sent or was sent. R objects are kept as list(environment, lines, name): while they are, no
// other object has their address.
struct Known {
  SEXP kept;
  shm::SharedSegment segment;

  SEXP environment() const { return VECTOR_ELT(kept, 0); }
  SEXP name() const { return VECTOR_ELT(kept, 2); }
  bool is(SEXP environment) const {
    return VECTOR_ELT(kept, 0) == environment && VECTOR_ELT(kept, 1) == field(environment, "lines");
  }
  bool can_be_sent() const { return segment && segment->is_open(); }
};

// The last used first. R thread only.
class KnownFiles {
 public:
  const Known* find(SEXP environment) {
    return use([environment](const Known& known) { return known.is(environment); });
  }
  // Equal strings are one object.
  const Known* find_name(SEXP name) {
    return use([name](const Known& known) { return STRING_ELT(known.name(), 0) == STRING_ELT(name, 0); });
  }
  // May jump.
  const Known& add(SEXP environment, SEXP name, const shm::SharedSegment& segment) {
    PROTECT(environment);
    PROTECT(name);
    const SEXP kept = PROTECT(Rf_allocVector(VECSXP, 3));
    SET_VECTOR_ELT(kept, 0, environment);
    SET_VECTOR_ELT(kept, 1, field(environment, "lines"));
    SET_VECTOR_ELT(kept, 2, name);
    R_PreserveObject(kept);
    UNPROTECT(3);
    raising([&] { recent_.push_front({kept, segment}); });
    while (recent_.size() > kMostKept) drop_last();
    return recent_.front();
  }

 private:
  template <typename Match>
  const Known* use(Match match) {
    for (auto known = recent_.begin(); known != recent_.end(); ++known) {
      if (!match(*known)) continue;
      recent_.splice(recent_.begin(), recent_, known);
      return &*known;
    }
    return nullptr;
  }
  void drop_last() {
    R_ReleaseObject(recent_.back().kept);
    recent_.pop_back();
  }

  std::list<Known> recent_;
};

KnownFiles& files() {
  static auto* const known = new KnownFiles;  // never destroyed: R may be gone by then
  return *known;
}

// A copy without the parser's data.
SEXP slim_copy(SEXP environment) {
  const SEXP list_call = PROTECT(Rf_lang2(Rf_install("as.list.environment"), environment));
  SETCDR(CDR(list_call), Rf_cons(Rf_ScalarLogical(1), R_NilValue));
  SET_TAG(CDDR(list_call), Rf_install("all.names"));
  const SEXP fields = PROTECT(Rf_eval(list_call, R_BaseEnv)), names = Rf_getAttrib(fields, R_NamesSymbol);
  const SEXP copy = PROTECT(R_NewEnv(R_EmptyEnv, 0, 0));
  for (R_xlen_t i = 0; i < XLENGTH(fields); ++i) {
    const SEXP name = Rf_installTrChar(STRING_ELT(names, i));
    if (std::strcmp(CHAR(PRINTNAME(name)), "parseData") != 0) Rf_defineVar(name, VECTOR_ELT(fields, i), copy);
  }
  Rf_setAttrib(copy, R_ClassSymbol, Rf_getAttrib(environment, R_ClassSymbol));
  UNPROTECT(3);
  return copy;
}

std::string hexadecimal(const shm::VectorRecord& record) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&record);
  std::string text = kPrefix;
  for (size_t i = 0; i < sizeof record; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  throw base::Error(base::ErrorKind::kInvalid, "a stream names a source file by what is no name of one");
}

shm::VectorRecord record_of(const std::string& name) {
  if (name.compare(0, kPrefix.size(), kPrefix) != 0)
    throw base::Error(base::ErrorKind::kInvalid, "a stream names something that is no source file");
  base::Bytes bytes;
  for (size_t i = kPrefix.size(); i + 1 < name.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(digit(name[i]) * 16 + digit(name[i + 1])));
  return shm::decode_vector_record(bytes.data(), bytes.size());
}

// They outlive a jump, so they belong to nobody's frame.
base::Bytes written;
std::string name_text;
shm::SharedSegment published;

const Known& publish(SEXP environment) {
  const SEXP copy = PROTECT(slim_copy(environment));
  written.clear();
  serialize_into(copy, written);
  shm::VectorRecord record;
  raising([&] {
    shm::Publication own(shm::Reuse::kNever);  // by itself: it lives longer than the vectors that go with it
    record = own.add(shm::VectorType::kRaw, written.data(), written.size(), written.size());
    own.finish();
    name_text = hexadecimal(record);
    published = shm::SegmentStore::process().find(record.segment);
  });
  base::Bytes().swap(written);
  const Known& known = files().add(environment, Rf_mkString(name_text.c_str()), published);
  published.reset();
  UNPROTECT(1);
  return known;
}

}  // namespace

SEXP name_of_source_file(SEXP environment, shm::Publication& publication) {
  if (!is_heavy(environment)) return R_NilValue;
  const Known* known = files().find(environment);
  if (known == nullptr || !known->can_be_sent()) known = &publish(environment);
  raising([&] { publication.refer({known->segment}); });
  return known->name();
}

SEXP source_file_of(SEXP name) {
  if (TYPEOF(name) != STRSXP || XLENGTH(name) != 1) Rf_error("a stream names a source file by what is no string");
  if (const Known* const known = files().find_name(name)) return known->environment();
  shm::VectorRecord record;
  raising([&] { record = record_of(CHAR(STRING_ELT(name, 0))); });
  const SEXP bytes = PROTECT(make_view(record));
  if (TYPEOF(bytes) != RAWSXP) Rf_error("a source file in a stream is no run of bytes");
  const SEXP environment = PROTECT(unserialize_by_r(RAW_RO(bytes), static_cast<size_t>(XLENGTH(bytes))));
  if (TYPEOF(environment) != ENVSXP || !Rf_inherits(environment, "srcfile"))
    Rf_error("what a stream names as a source file is none");
  raising([&] { published = shm::SegmentStore::process().find(record.segment); });
  files().add(environment, name, published);
  published.reset();
  UNPROTECT(2);
  return environment;
}

}  // namespace avenir::rbridge
