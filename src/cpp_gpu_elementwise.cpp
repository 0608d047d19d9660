#include <Rcpp.h>

#include "array/elementwise.h"
#include "expression/threaded.h"
#include "expression/totals.h"
#include "rbridge/door.h"

// Doors of R/gpu-elementwise.R and R/gpu-reduce.R.

using namespace avenir;

namespace {

using rbridge::Keeper;

const expression::Function& function_of(SEXP name) {
  const expression::Function* const found = expression::find_function(Rf_installChar(STRING_ELT(name, 0)));
  if (found == nullptr) throw base::Error(base::ErrorKind::kInternal, "internal: a function is not known");
  return *found;
}

std::vector<SEXP> elements_of(SEXP list) {
  std::vector<SEXP> elements;
  for (R_xlen_t i = 0; i < Rf_xlength(list); ++i) elements.push_back(VECTOR_ELT(list, i));
  return elements;
}

}  // namespace

// An operator; `e2` NULL where it has one operand.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_ops(SEXP name, SEXP e1, SEXP e2) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    std::vector<SEXP> operands = {e1};
    if (e2 != R_NilValue) operands.push_back(e2);
    return array::operation(keeper, function_of(name), operands);
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_map(SEXP name, SEXP x) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    return array::mapped(keeper, function_of(name), x);
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_log(SEXP x, double base) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    return array::logarithm(keeper, x, base);
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_atan2(SEXP y, SEXP x) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    return array::angle(keeper, y, x);
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_choose(SEXP test, SEXP yes, SEXP no) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    return array::choice(keeper, test, yes, no);
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_extremes(bool least, bool na_rm, SEXP objects) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    return array::extremes(keeper, least, na_rm, elements_of(objects));
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_as_type(SEXP x, std::string type) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    const array::NodePtr node = lazy::as_type(array::node_of(x), array::type_of_name(type));
    return array::new_array(keeper, node, array::attributes_of_array(x));
  });
}

// ---- Reductions ----

// NULL where no element counts, and where R's sum of integers is none.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_reduce(SEXP name, SEXP x, bool na_rm) {
  return rbridge::door([&]() -> SEXP {
    const array::NodePtr& node = array::node_of(x);
    if (node->length() == 0) return R_NilValue;
    expression::prepared_library();
    linalg::Program what;
    what.reduction = function_of(name).reduction;
    what.type = node->type();
    what.na_rm = na_rm;
    const bool logical = what.reduction == linalg::Reduction::kAny || what.reduction == linalg::Reduction::kAll;
    const array::NodePtr of = logical ? lazy::as_type(node, array::Type::kLogical) : node;
    const linalg::Totals totals = of->reduce(what.reduction, na_rm);
    array::raise_warnings(node->device());
    if (totals.counted == 0) return R_NilValue;
    Keeper keeper;
    return expression::value_of(keeper, what, totals);
  });
}

// Sums or means of a matrix' rows or columns.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_margins(SEXP x, double rows, double columns, bool by_row, bool means, bool na_rm) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    const array::NodePtr& node = array::node_of(x);
    expression::prepared_library();
    lazy::Draft draft = lazy::draft_of(*node);
    draft.program.na_rm = na_rm;
    const array::Type type = node->type() == array::Type::kFloat ? array::Type::kFloat : array::Type::kDouble;
    device::Buffer sums = node->device().allocate(type, static_cast<uint64_t>(by_row ? rows : columns));
    if (by_row)
      node->device().row_sums(draft.program, draft.inputs, static_cast<uint64_t>(rows), means, sums);
    else
      node->device().column_sums(draft.program, draft.inputs, static_cast<uint64_t>(rows), means, sums);
    return array::new_array(keeper, std::make_shared<lazy::Node>(std::move(sums)));
  });
}

// From 1 on; 0 where all are missing.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_which(SEXP x, bool greatest) {
  return rbridge::door([&]() -> SEXP {
    const array::NodePtr& node = array::node_of(x);
    expression::prepared_library();
    const uint64_t at = node->device().which_extreme(node->buffer(), greatest);
    return Rf_ScalarReal(at == node->length() ? 0 : static_cast<double>(at) + 1);
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_cumsum(SEXP x) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    const array::NodePtr& node = array::node_of(x);
    expression::prepared_library();
    const array::Type type = node->type() == array::Type::kLogical ? array::Type::kInteger : node->type();
    const array::NodePtr of = lazy::as_type(node, type);
    device::Buffer sums = node->device().allocate(type, node->length());
    node->device().cumulate(of->buffer(), sums);
    array::raise_warnings(node->device());
    return array::new_array(keeper, std::make_shared<lazy::Node>(std::move(sums)));
  });
}
