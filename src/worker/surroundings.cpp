#include "worker/surroundings.h"

#include <R_ext/GraphicsEngine.h>

#include <cstring>

#include "rbridge/entry_points.h"

namespace avenir::worker {

namespace {

SEXP open_connections() {
  static const SEXP call = [] {
    const SEXP made = Rf_lang1(Rf_install("getAllConnections"));
    R_PreserveObject(made);
    return made;
  }();
  return Rf_eval(call, R_BaseEnv);
}

bool are_same(SEXP a, SEXP b) {
  return XLENGTH(a) == XLENGTH(b) &&
         std::memcmp(INTEGER(a), INTEGER(b), static_cast<size_t>(XLENGTH(a)) * sizeof(int)) == 0;
}

bool is_watched(SEXP option) {
  return TYPEOF(option) == STRSXP && XLENGTH(option) == 1 && std::strcmp(CHAR(STRING_ELT(option, 0)), "ignore") != 0;
}

bool is_noted(SEXP notes) {
  static const SEXP opened_device = Rf_install("opened_device");
  const SEXP found = rbridge::variable(opened_device, notes);
  return found != R_UnboundValue && found != R_NilValue;
}

}  // namespace

void Surroundings::note() {
  connections_.reset(open_connections());
  devices_ = Rf_NumDevices();
  watches_globals_ = is_watched(Rf_GetOption1(Rf_install("future.globalenv.onMisuse")));
}

bool Surroundings::changed(SEXP notes) const {
  return watches_globals_ || devices_ != Rf_NumDevices() || is_noted(notes) ||
         !are_same(open_connections(), connections_.get());
}

}  // namespace avenir::worker
