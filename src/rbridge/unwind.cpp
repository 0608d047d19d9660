#include "rbridge/unwind.h"

#include <csetjmp>

namespace avenir::rbridge::detail {

namespace {

struct Call {
  void (*function)(void*);
  void* data;
};

SEXP run(void* data) {
  const auto* call = static_cast<Call*>(data);
  call->function(call->data);
  return R_NilValue;
}

void leave(void* data, Rboolean jumped) {
  if (jumped == TRUE) std::longjmp(*static_cast<std::jmp_buf*>(data), 1);
}

}  // namespace

bool run_guarded(void (*function)(void*), void* data, SEXP token) {
  std::jmp_buf here;
  Call call{function, data};
  if (setjmp(here) != 0) return false;
  R_UnwindProtect(run, &call, leave, &here, token);
  return true;
}

SEXP make_token() { return PROTECT(R_MakeUnwindCont()); }

}  // namespace avenir::rbridge::detail
