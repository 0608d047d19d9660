#pragma once

#include "rbridge/r.h"
#include "rbridge/unwind.h"

namespace avenir::rbridge {

// Objects on R's own stack of what is in use. A list or R_PreserveObject() would count as a further owner for ever: R
// would then copy the vector where it might have changed it in place. To live within the scope that it is made in,
// after all such that live longer.
class Keeper {
 public:
  Keeper() = default;
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper() { UNPROTECT(count_); }

  // Nothing of R may have run since the object was made or found.
  SEXP keep(SEXP object) {
    PROTECT(object);
    ++count_;
    return object;
  }

  // What make() returns. It may jump, and must own nothing.
  template <typename Make>
  SEXP make(Make make) {
    SEXP result = R_NilValue;
    SEXP* const target = &result;
    guarded([make, target] { *target = make(); });
    return keep(result);
  }

 private:
  int count_ = 0;
};

}  // namespace avenir::rbridge
