#include <Rcpp.h>

#include <string>

#include "rbridge/door.h"
#include "rbridge/serialize.h"
#include "rbridge/shared_stream.h"
#include "shm/segment_store.h"

namespace {

using namespace avenir;

}  // namespace

// x with its vectors in shared memory.
// [[Rcpp::export(rng = false)]]
SEXP cpp_share(SEXP x) {
  return rbridge::door([&]() -> SEXP {
    rbridge::VectorSharing sharing(1);
    rbridge::VectorSharing* const target = &sharing;
    SEXP result = R_NilValue;
    SEXP* const to = &result;
    rbridge::guarded([target, x, to] { *to = target->share(x); });
    const Rcpp::Shield<SEXP> kept(result);
    sharing.finish();
    return kept;
  });
}

// Of one vector.
// [[Rcpp::export(rng = false)]]
SEXP cpp_is_shared(SEXP x) {
  return rbridge::door([&]() -> SEXP {
    int shared = 0;
    int* const target = &shared;
    rbridge::guarded([x, target] { *target = rbridge::is_clean_view(x) ? 1 : 0; });
    return Rf_ScalarLogical(shared);
  });
}

// x after a trip through shared memory within this process: written and read as if another were to have it (for tests).
// [[Rcpp::export(rng = false)]]
SEXP cpp_share_trip(SEXP x) {
  return rbridge::door([&]() -> SEXP {
    base::Bytes bytes;
    rbridge::SharedWriting writing(shm::Reuse::kByContent);
    base::Bytes* const target = &bytes;
    rbridge::SharedWriting* const shared = &writing;
    rbridge::guarded([x, target, shared] { shared->write(x, *target); });
    writing.finish();
    SEXP result = R_NilValue;
    SEXP* const to = &result;
    rbridge::guarded([target, to] { *to = rbridge::unserialize(target->data(), target->size()); });
    return result;
  });
}

// What this session keeps published: c(segments, bytes), and the bytes of the views that R has.
// [[Rcpp::export(rng = false)]]
SEXP cpp_share_use() {
  return rbridge::door([&]() -> SEXP {
    const auto& store = shm::SegmentStore::process();
    const auto use = store.use();
    return Rcpp::NumericVector::create(Rcpp::Named("segments") = static_cast<double>(use.segments),
                                       Rcpp::Named("bytes") = static_cast<double>(use.bytes),
                                       Rcpp::Named("viewed") = static_cast<double>(store.viewed()));
  });
}

// Gives up what is published and not in use.
// [[Rcpp::export(rng = false)]]
void cpp_share_forget() { shm::SegmentStore::process().forget_published(); }
