#include "rbridge/named_list.h"

#include <cstring>

#include "base/error.h"

namespace avenir::rbridge {

namespace {

[[noreturn]] void refuse(const char* name, const char* what) {
  throw base::Error(base::ErrorKind::kInvalid, std::string("option `") + name + "` " + what);
}

}  // namespace

R_xlen_t NamedList::find(const char* name) const {
  if (TYPEOF(list_) != VECSXP) return -1;
  const SEXP names = Rf_getAttrib(list_, R_NamesSymbol);
  for (R_xlen_t i = 0; i < Rf_xlength(names); ++i)
    if (std::strcmp(CHAR(STRING_ELT(names, i)), name) == 0) return i;
  return -1;
}

SEXP NamedList::at(const char* name) const {
  const R_xlen_t found = find(name);
  if (found < 0) refuse(name, "is not there");
  return VECTOR_ELT(list_, found);
}

double NamedList::number(const char* name) const {
  const SEXP value = at(name);
  if (!(Rf_isNumeric(value) || Rf_isLogical(value)) || Rf_xlength(value) != 1) refuse(name, "is not one number");
  return Rf_asReal(value);
}

unsigned NamedList::count(const char* name) const {
  const double value = number(name);
  if (!(value >= 0 && value <= 1e9)) refuse(name, "is not a whole number from 0");
  return static_cast<unsigned>(value);
}

std::string NamedList::text(const char* name) const {
  const std::vector<std::string> all = texts(name);
  if (all.size() != 1) refuse(name, "is not one string");
  return all.front();
}

std::vector<std::string> NamedList::texts(const char* name) const {
  if (TYPEOF(at(name)) != STRSXP) refuse(name, "is not made of strings");
  return texts_of(at(name));
}

std::vector<std::string> texts_of(SEXP strings) {
  std::vector<std::string> texts;
  for (R_xlen_t i = 0; i < Rf_xlength(strings); ++i) texts.emplace_back(CHAR(STRING_ELT(strings, i)));
  return texts;
}

}  // namespace avenir::rbridge
