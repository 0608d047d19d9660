#pragma once

#include <type_traits>

#include "rbridge/r.h"

namespace avenir::rbridge {

// R has jumped (error, interrupt, restart) out of the code that was run guarded. Thrown so that C++ objects
// are destroyed; the door then lets the jump go on (rbridge/door.h).
struct RJump {
  SEXP token;  // preserved; resume_jump() releases it
};

namespace detail {
bool run_guarded(void (*function)(void*), void* data, SEXP token);
SEXP make_token();
}  // namespace detail

// Calls `action` so that a jump of R's ends here: true when it ran to its end. The closure must own nothing:
// a jump skips destructors inside it, so owners live outside.
template <typename Action>
bool stops_jumps(Action&& action, SEXP token) {
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<Action>>);
  return detail::run_guarded([](void* data) { (*static_cast<std::remove_reference_t<Action>*>(data))(); }, &action,
                             token);
}

// The same, with the jump turned into an RJump.
template <typename Action>
void guarded(Action&& action) {
  const SEXP token = detail::make_token();
  if (!stops_jumps(action, token)) {
    R_PreserveObject(token);
    UNPROTECT(1);
    throw RJump{token};
  }
  UNPROTECT(1);
}

// Keeps an R object from the garbage collector for the owner's life.
class Preserved {
 public:
  Preserved() = default;
  explicit Preserved(SEXP object) { reset(object); }
  Preserved(const Preserved&) = delete;
  Preserved& operator=(const Preserved&) = delete;
  ~Preserved() { reset(R_NilValue); }
  void reset(SEXP object) {
    if (object != R_NilValue) R_PreserveObject(object);
    if (object_ != R_NilValue) R_ReleaseObject(object_);
    object_ = object;
  }
  SEXP get() const { return object_; }

 private:
  SEXP object_ = R_NilValue;
};

}  // namespace avenir::rbridge
