#include <Rcpp.h>

#include "compute/library.h"
#include "rbridge/door.h"
#include "rbridge/entry_points.h"
#include "rbridge/keeper.h"
#include "sys/huge_pages.h"

// Doors of R/thread-vectors.R, which has checked the arguments: vectors are numeric, integer or logical.

using namespace avenir;

namespace {

using rbridge::Keeper;
using sort::Missing;

bool is_double(SEXP x) { return TYPEOF(x) == REALSXP; }

const void* data_of(SEXP x) {
  const void* data = nullptr;
  rbridge::guarded([x, to = &data] { *to = DATAPTR_RO(x); });
  return data;
}
const double* doubles_of(SEXP x) { return static_cast<const double*>(data_of(x)); }
const int32_t* integers_of(SEXP x) { return static_cast<const int32_t*>(data_of(x)); }

size_t length_of(SEXP x) { return static_cast<size_t>(Rf_xlength(x)); }

SEXP fresh(Keeper& keeper, SEXPTYPE type, size_t length) {
  const auto count = static_cast<R_xlen_t>(length);
  const SEXP made = keeper.make([type, count] { return Rf_allocVector(type, count); });
  sys::prefer_huge_pages(rbridge::own_elements(made), length * (type == REALSXP ? sizeof(double) : sizeof(int32_t)));
  return made;
}

SEXP as_doubles(Keeper& keeper, const std::vector<uint64_t>& counts) {
  const SEXP made = fresh(keeper, REALSXP, counts.size());
  std::copy(counts.begin(), counts.end(), REAL(made));
  return made;
}

const compute::Api& on_threads(int threads) {
  const compute::Api& library = compute::library();
  library.set_threads(static_cast<unsigned>(threads));
  return library;
}

sort::Column column_of(SEXP x, bool decreasing) {
  return {data_of(x), is_double(x) ? sort::Type::kDouble : sort::Type::kInteger, decreasing};
}

// R's na.last: TRUE, FALSE or NA.
Missing missing_of(int na_last) {
  return na_last == NA_LOGICAL ? Missing::kLeftOut : na_last != 0 ? Missing::kLast : Missing::kFirst;
}

template <typename T>
SEXP as_list(Keeper& keeper, SEXPTYPE type, const sort::Distinct<T>& found) {
  const SEXP both = keeper.make([] { return Rf_allocVector(VECSXP, 2); });
  const SEXP values = fresh(keeper, type, found.values.size());
  std::copy(found.values.begin(), found.values.end(), static_cast<T*>(rbridge::own_elements(values)));
  SET_VECTOR_ELT(both, 0, values);
  SET_VECTOR_ELT(both, 1, as_doubles(keeper, found.counts));
  return both;
}

}  // namespace

// TRUE of a vector that R makes up as it is asked for, as 1:n.
// [[Rcpp::export(rng = false)]]
bool cpp_is_compact(SEXP x) {
  if (!ALTREP(x)) return false;
  bool has_none = false;
  rbridge::guarded([x, to = &has_none] { *to = DATAPTR_OR_NULL(x) == nullptr; });
  return has_none;
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_thread_sort(SEXP x, bool decreasing, int na_last, int threads) {
  return rbridge::door([&]() -> SEXP {
    const compute::Api& library = on_threads(threads);
    const sort::Column column = column_of(x, decreasing);
    const size_t count = length_of(x), complete = library.count_complete({column}, count);
    Keeper keeper;
    const SEXP sorted = fresh(keeper, static_cast<SEXPTYPE>(TYPEOF(x)), na_last == NA_LOGICAL ? complete : count);
    library.sort_values(column, count, complete, missing_of(na_last), rbridge::own_elements(sorted));
    return sorted;
  });
}

// `columns`: vectors of one length, at least one; `decreasing` is one for each.
// [[Rcpp::export(rng = false)]]
SEXP cpp_thread_order(SEXP columns, SEXP decreasing, int na_last, int threads) {
  return rbridge::door([&]() -> SEXP {
    const compute::Api& library = on_threads(threads);
    std::vector<sort::Column> keys;
    for (R_xlen_t i = 0; i < Rf_xlength(columns); ++i)
      keys.push_back(column_of(VECTOR_ELT(columns, i), LOGICAL(decreasing)[i] == TRUE));
    const size_t count = length_of(VECTOR_ELT(columns, 0));
    const size_t rows = na_last == NA_LOGICAL ? library.count_complete(keys, count) : count;
    const bool wide = count > INT32_MAX;
    Keeper keeper;
    const SEXP order = fresh(keeper, wide ? REALSXP : INTSXP, rows);
    library.order_rows(keys, count, missing_of(na_last), wide ? nullptr : INTEGER(order), wide ? REAL(order) : nullptr);
    return order;
  });
}

// The sums, with attribute "overflow" where integers did not suffice.
// [[Rcpp::export(rng = false)]]
SEXP cpp_thread_cumsum(SEXP x, int threads) {
  return rbridge::door([&]() -> SEXP {
    const compute::Api& library = on_threads(threads);
    Keeper keeper;
    const SEXP sums = fresh(keeper, is_double(x) ? REALSXP : INTSXP, length_of(x));
    bool overflow = false;
    if (is_double(x))
      library.cumulate_doubles(doubles_of(x), length_of(x), REAL(sums));
    else
      overflow = library.cumulate_integers(integers_of(x), length_of(x), INTEGER(sums));
    if (overflow) rbridge::guarded([sums] { Rf_setAttrib(sums, Rf_install("overflow"), Rf_ScalarLogical(TRUE)); });
    return sums;
  });
}

// list(values in increasing order, how often each occurs), without missing ones.
// [[Rcpp::export(rng = false)]]
SEXP cpp_thread_distinct(SEXP x, int threads) {
  return rbridge::door([&]() -> SEXP {
    const compute::Api& library = on_threads(threads);
    Keeper keeper;
    if (is_double(x)) return as_list(keeper, REALSXP, library.distinct_doubles(doubles_of(x), length_of(x)));
    return as_list(keeper, static_cast<SEXPTYPE>(TYPEOF(x)), library.distinct_integers(integers_of(x), length_of(x)));
  });
}

// The place of each element among `values`, which are of its type and in increasing order; NA where it is not there.
// [[Rcpp::export(rng = false)]]
SEXP cpp_thread_codes(SEXP x, SEXP values, int threads) {
  return rbridge::door([&]() -> SEXP {
    const compute::Api& library = on_threads(threads);
    Keeper keeper;
    const SEXP codes = fresh(keeper, INTSXP, length_of(x));
    if (is_double(x))
      library.find_codes_of_doubles(doubles_of(x), length_of(x), doubles_of(values), length_of(values), INTEGER(codes));
    else
      library.find_codes_of_integers(integers_of(x), length_of(x), integers_of(values), length_of(values),
                                     INTEGER(codes));
    return codes;
  });
}

// How often each combination of codes occurs; NULL when one is outside of its extent. `codes` are of one length.
// [[Rcpp::export(rng = false)]]
SEXP cpp_thread_cells(SEXP codes, SEXP extents, int threads) {
  return rbridge::door([&]() -> SEXP {
    const compute::Api& library = on_threads(threads);
    const size_t count = length_of(VECTOR_ELT(codes, 0));
    std::vector<const int32_t*> columns;
    std::vector<size_t> sizes;
    for (R_xlen_t i = 0; i < Rf_xlength(codes); ++i) {
      columns.push_back(integers_of(VECTOR_ELT(codes, i)));
      sizes.push_back(static_cast<size_t>(INTEGER(extents)[i]));
      if (!library.are_codes(columns.back(), count, sizes.back())) return R_NilValue;
    }
    Keeper keeper;
    return as_doubles(keeper, library.count_cells(columns, sizes, count));
  });
}
