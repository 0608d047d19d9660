#pragma once

#include <Rcpp.h>

#include "base/error.h"
#include "rbridge/condition_class.h"
#include "rbridge/unwind.h"

// The way from a C++ exception to an R condition, once, for all doors.

namespace avenir::rbridge {

// Raises the R condition: stop(structure(class = c(<kind>, "avenir_error", "error", "condition"),
// list(message, call)))
[[noreturn]] inline void raise_condition(const base::Error& error) {
  Rcpp::List condition = Rcpp::List::create(Rcpp::Named("message") = error.what(), Rcpp::Named("call") = R_NilValue);
  condition.attr("class") =
      Rcpp::CharacterVector::create(condition_class(error.kind()), "avenir_error", "error", "condition");
  Rcpp::Function stop("stop", R_BaseEnv);
  stop(condition);
  throw Rcpp::exception("stop() returned");
}

// Every door's body runs in here.
template <typename Body>
SEXP door(Body&& body) {
  try {
    return body();
  } catch (const base::Error& error) {
    raise_condition(error);
  } catch (const RJump& jump) {
    throw Rcpp::LongjumpException(jump.token);
  }
}

}  // namespace avenir::rbridge
