#pragma once

#include <string>
#include <vector>

#include "rbridge/r.h"

namespace avenir::rbridge {

// A named list, as R code hands options over. Needs nothing of Rcpp, whose namespace is not loaded in workers and
// nodes. Throws kInvalid for what is not there, or is of another kind. As long as R keeps the list.
class NamedList {
 public:
  explicit NamedList(SEXP list) : list_(list) {}

  bool has(const char* name) const { return find(name) >= 0; }
  NamedList list(const char* name) const { return NamedList(at(name)); }
  double number(const char* name) const;
  unsigned count(const char* name) const;  // a whole number from 0
  std::string text(const char* name) const;
  std::vector<std::string> texts(const char* name) const;

 private:
  R_xlen_t find(const char* name) const;
  SEXP at(const char* name) const;

  SEXP list_;
};

std::vector<std::string> texts_of(SEXP strings);

}  // namespace avenir::rbridge
