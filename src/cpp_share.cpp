#include <Rcpp.h>

#include <string>

#include "rbridge/door.h"
#include "rbridge/serialize.h"
#include "rbridge/shared_stream.h"
#include "shm/segment_store.h"

namespace {

using namespace avenir;

// As another process would be sent it; what the bytes refer to stays published.
base::Bytes shared_bytes(SEXP x) {
  base::Bytes bytes;
  rbridge::SharedWriting writing(shm::Reuse::kByContent);
  base::Bytes* const target = &bytes;
  rbridge::SharedWriting* const shared = &writing;
  rbridge::guarded([x, target, shared] { shared->write(x, *target); });
  writing.finish();
  return bytes;
}

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

// A view, written to or not (for tests).
// [[Rcpp::export(rng = false)]]
SEXP cpp_is_view(SEXP x) {
  return rbridge::door([&]() -> SEXP { return Rf_ScalarLogical(rbridge::is_view(x) ? 1 : 0); });
}

// x after a trip through shared memory within this process: written and read as if another were to have it (for tests).
// [[Rcpp::export(rng = false)]]
SEXP cpp_share_trip(SEXP x) {
  return rbridge::door([&]() -> SEXP {
    const base::Bytes bytes = shared_bytes(x);
    const base::Bytes* const from = &bytes;
    SEXP result = R_NilValue;
    SEXP* const to = &result;
    rbridge::guarded([from, to] { *to = rbridge::unserialize(from->data(), from->size()); });
    return result;
  });
}

// What this session keeps published: c(segments, bytes), the bytes of the views that R has, the bytes of files that are
// to be written again, and how often that has happened.
// [[Rcpp::export(rng = false)]]
SEXP cpp_share_use() {
  return rbridge::door([&]() -> SEXP {
    const auto& store = shm::SegmentStore::process();
    const auto use = store.use();
    const auto pool = shm::SegmentPool::process().use();
    return Rcpp::NumericVector::create(Rcpp::Named("segments") = static_cast<double>(use.segments),
                                       Rcpp::Named("bytes") = static_cast<double>(use.bytes),
                                       Rcpp::Named("viewed") = static_cast<double>(store.viewed()),
                                       Rcpp::Named("pooled") = static_cast<double>(pool.bytes),
                                       Rcpp::Named("reused") = static_cast<double>(pool.reused));
  });
}

// Gives up what is published and not in use.
// [[Rcpp::export(rng = false)]]
void cpp_share_forget() { shm::SegmentStore::process().forget_published(); }

// The bytes that another process would be sent; what they refer to stays published (for tests).
// [[Rcpp::export(rng = false)]]
SEXP cpp_share_bytes(SEXP x) {
  return rbridge::door([&]() -> SEXP { return Rcpp::wrap(shared_bytes(x)); });
}

// Writes to the first element whoever else has the vector, as careless C code does (for tests).
// [[Rcpp::export(rng = false)]]
void cpp_write_in_place(SEXP x, SEXP value) { REAL(x)[0] = Rf_asReal(value); }
