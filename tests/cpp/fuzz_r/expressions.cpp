// libFuzzer's target for the compiler of threaded()'s expressions (src/expression) and what runs them: the bytes are an
// R expression over a few variables, calls with odd arguments among them. threaded() gives what base R gives, or
// refuses (checks.R); it never takes what base R refuses.

#include "../fuzz/input.h"
#include "embedded.h"

using avenir::fuzz::Input;

namespace {

// A call's name, and its usual number of arguments.
struct Function {
  const char* name;
  int arguments;
};
constexpr Function kFunctions[] = {
    {"+", 2},         {"-", 2},          {"*", 2},          {"/", 2},         {"^", 2},           {"%%", 2},
    {"%/%", 2},       {"==", 2},         {"!=", 2},         {"<", 2},         {"<=", 2},          {">", 2},
    {">=", 2},        {"&", 2},          {"|", 2},          {"xor", 2},       {"!", 1},           {"(", 1},
    {"-", 1},         {"+", 1},          {"abs", 1},        {"sqrt", 1},      {"floor", 1},       {"ceiling", 1},
    {"trunc", 1},     {"round", 1},      {"round", 2},      {"sign", 1},      {"exp", 1},         {"expm1", 1},
    {"log", 1},       {"log", 2},        {"log1p", 1},      {"log2", 1},      {"log10", 1},       {"sin", 1},
    {"cos", 1},       {"tan", 1},        {"asin", 1},       {"acos", 1},      {"atan", 1},        {"sinh", 1},
    {"cosh", 1},      {"tanh", 1},       {"asinh", 1},      {"acosh", 1},     {"atanh", 1},       {"sinpi", 1},
    {"cospi", 1},     {"tanpi", 1},      {"atan2", 2},      {"ifelse", 3},    {"pmin", 2},        {"pmax", 2},
    {"pmin", 3},      {"pmax", 1},       {"is.na", 1},      {"is.finite", 1}, {"is.infinite", 1}, {"as.numeric", 1},
    {"as.double", 1}, {"as.integer", 1}, {"as.logical", 1}, {"sum", 1},       {"mean", 1},        {"prod", 1},
    {"min", 1},       {"max", 1},        {"any", 1},        {"all", 1},       {"range", 1},       {"length", 1},
    {"rev", 1},       {"c", 2},          {"{", 1},          {"identity", 1}};
constexpr const char* kVariables[] = {"x", "y", "i", "j", "l", "m", "k", "r", "s", "t", "u", "none", "word", "f"};
constexpr const char* kTags[] = {"na.rm", "x", "y", "e1", "e2", "base", "digits", "test", "yes", "no", "odd"};
constexpr double kNumbers[] = {2, 0.5, -1, 1e300, 10, 0, 1, -0.0};

SEXP leaf(Input& in) {
  switch (in.below(8)) {
    case 0:
      return Rf_ScalarReal(in.one_of(kNumbers));
    case 1:
      return Rf_ScalarInteger(static_cast<int>(in.below(5)) - 1);
    case 2:
      return Rf_ScalarLogical(in.one_of({0, 1, NA_LOGICAL}));
    case 3:
      return in.below(16) == 0 ? Rf_mkString("text") : in.below(16) == 0 ? R_NilValue : Rf_ScalarReal(3);
    default:
      return Rf_install(in.one_of(kVariables));
  }
}

SEXP expression(Input& in, int depth) {
  if (depth == 0 || in.left() == 0 || in.below(6) == 0) return leaf(in);
  const Function function = in.one_of(kFunctions);
  const uint8_t odd = in.get<uint8_t>();
  const int arguments = odd < 250 ? function.arguments : static_cast<int>(in.below(5));
  SEXP list = R_NilValue;
  PROTECT_INDEX slot;
  PROTECT_WITH_INDEX(list, &slot);
  for (int k = 0; k < arguments; ++k) {
    REPROTECT(list = Rf_cons(expression(in, depth - 1), list), slot);
    if (odd % 16 == 15 && in.below(3) == 0) SET_TAG(list, Rf_install(in.one_of(kTags)));
  }
  const SEXP call = Rf_lcons(Rf_install(function.name), list);
  UNPROTECT(1);
  return call;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  avenir::fuzz::start_r();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  const SEXP which = PROTECT(Rf_ScalarInteger(static_cast<int>(in.below(256))));
  const SEXP code = PROTECT(expression(in, 5));
  avenir::fuzz::check("check_expression", code, which);
  UNPROTECT(2);
  return 0;
}
