#include "rbridge/globals_walker.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "base/error.h"
#include "rbridge/travel.h"
#include "rbridge/unwind.h"

namespace avenir::rbridge {

namespace {

// ---- R's entry points, by version: what came with 4.5.0 replaces what the checks of later versions refuse.

#if R_VERSION < R_Version(4, 5, 0)
SEXP closure_env(SEXP closure) { return CLOENV(closure); }
SEXP closure_formals(SEXP closure) { return FORMALS(closure); }
SEXP parent_env(SEXP env) { return ENCLOS(env); }

// The promise's variable, followed through functions that only pass it on, is an argument that was not given.
bool is_missing_promise(SEXP promise) {
  while (TYPEOF(promise) == PROMSXP && PRVALUE(promise) == R_UnboundValue) {
    const SEXP symbol = R_PromiseExpr(promise), env = PRENV(promise);
    if (TYPEOF(symbol) != SYMSXP || TYPEOF(env) != ENVSXP) return false;
    promise = Rf_findVarInFrame(env, symbol);
  }
  return promise == R_MissingArg;
}

// The value of `symbol` in `frame` itself, forced; R_UnboundValue or R_MissingArg when there is none.
SEXP frame_value(SEXP symbol, SEXP frame) {
  SEXP value = Rf_findVarInFrame(frame, symbol);
  if (TYPEOF(value) != PROMSXP) return value;
  if (is_missing_promise(value)) return R_MissingArg;
  PROTECT(value);
  value = Rf_eval(value, frame);
  UNPROTECT(1);
  return value;
}
#else
SEXP closure_env(SEXP closure) { return R_ClosureEnv(closure); }
SEXP closure_formals(SEXP closure) { return R_ClosureFormals(closure); }
SEXP parent_env(SEXP env) { return R_ParentEnv(env); }

// R_getVarEx() raises an error for a missing argument. missing() tells where that could be so; it is TRUE
// also where an argument has its default, so the value is tried for.
SEXP frame_value(SEXP symbol, SEXP frame) {
  if (R_existsVarInFrame(frame, symbol) != TRUE) return R_UnboundValue;
  const SEXP call = PROTECT(Rf_lang2(Rf_install("missing"), symbol));
  int failed = 0;
  const SEXP missing = R_tryEvalSilent(call, frame, &failed);
  const bool may_be_missing = failed == 0 && Rf_asLogical(missing) == TRUE;
  UNPROTECT(1);
  if (!may_be_missing) return R_getVarEx(symbol, frame, FALSE, R_UnboundValue);
  const SEXP value = R_tryEvalSilent(symbol, frame, &failed);
  return failed == 0 ? value : R_MissingArg;
}
#endif

bool has(SEXP env, SEXP symbol) { return R_existsVarInFrame(env, symbol) == TRUE; }

// ---- Syntax

enum Form : int {
  kCall = 0,
  kNothing,  // arguments are not evaluated here
  kFirst,    // only the first argument is: x$name, x@name
  kNotFirst,
  kNotSecond,  // `$<-`(x, name, value)
  kAssign,
  kSuperAssign,
  kFor,
  kIf,
  kFunction,
  kLocal,
  kAssignCall,
  kAttach,
  kBquote,
  kInternal,
  kNamedInString,
};

struct FormName {
  const char* name;
  Form form;
};

constexpr FormName kForms[] = {
    {"quote", kNothing},
    {"Quote", kNothing},
    {"expression", kNothing},
    {"::", kNothing},
    {":::", kNothing},
    {"data", kNothing},
    {"$", kFirst},
    {"@", kFirst},
    {"$<-", kNotSecond},
    {"@<-", kNotSecond},
    {"substitute", kNotFirst},
    {"detach", kNotFirst},
    {"<-", kAssign},
    {"%<-%", kAssign},
    {"=", kAssign},
    {"<<-", kSuperAssign},
    {"for", kFor},
    {"if", kIf},
    {"function", kFunction},
    {"local", kLocal},
    {"assign", kAssignCall},
    {"delayedAssign", kAssignCall},
    {"library", kAttach},
    {"require", kAttach},
    {"bquote", kBquote},
    {".Internal", kInternal},
    {"do.call", kNamedInString},
    {"get", kNamedInString},
    {"get0", kNamedInString},
    {"match.fun", kNamedInString},
    {"exists", kNamedInString},
};

// Symbols that the walker compares with, installed once.
struct Syntax {
  SymbolFlags forms;
  SEXP brace, function, dot, dot_dot, character_only, where;
  SEXP leaving[6];

  Syntax()
      : brace(Rf_install("{")),
        function(Rf_install("function")),
        dot(Rf_install(".")),
        dot_dot(Rf_install("..")),
        character_only(Rf_install("character.only")),
        where(Rf_install("where")),
        leaving{Rf_install("return"), Rf_install("stop"), Rf_install("next"),
                Rf_install("break"),  Rf_install("quit"), Rf_install("abort")} {
    for (const FormName& entry : kForms) forms[Rf_install(entry.name)] = static_cast<uint8_t>(entry.form);
  }
  bool leaves(SEXP symbol) const {
    return std::find(std::begin(leaving), std::end(leaving), symbol) != std::end(leaving);
  }
};

Syntax& syntax() {
  static Syntax* const known = new Syntax;  // never destroyed: no static destructors
  return *known;
}

bool is_call_of(SEXP code, SEXP symbol) { return TYPEOF(code) == LANGSXP && CAR(code) == symbol; }

bool is_string(SEXP code) { return TYPEOF(code) == STRSXP && XLENGTH(code) == 1 && STRING_ELT(code, 0) != NA_STRING; }

bool is_name(SEXP code) { return TYPEOF(code) == SYMSXP || is_string(code); }

SEXP as_symbol(SEXP name) { return TYPEOF(name) == SYMSXP ? name : Rf_installTrChar(STRING_ELT(name, 0)); }

// `..1`, `..2`
bool is_dots_element(SEXP symbol) {
  const char* name = CHAR(PRINTNAME(symbol));
  if (std::strncmp(name, "..", 2) != 0 || name[2] == '\0') return false;
  return std::all_of(name + 2, name + std::strlen(name), [](unsigned char c) { return std::isdigit(c) != 0; });
}

// The code after it is not reached.
bool leaves(SEXP code) {
  if (TYPEOF(code) != LANGSXP) return false;
  if (syntax().leaves(CAR(code))) return true;
  if (CAR(code) != syntax().brace) return false;
  SEXP last = R_NilValue;
  for (SEXP rest = CDR(code); rest != R_NilValue; rest = CDR(rest)) last = CAR(rest);
  return leaves(last);
}

// TRUE or FALSE written out
int literal_truth(SEXP code) {
  return TYPEOF(code) == LGLSXP && XLENGTH(code) == 1 ? LOGICAL_ELT(code, 0) : NA_LOGICAL;
}

SEXP replacement_function(SEXP getter) {
  char name[256];
  const int size = std::snprintf(name, sizeof name, "%s<-", CHAR(PRINTNAME(getter)));
  return size > 0 && static_cast<size_t>(size) < sizeof name ? Rf_install(name) : getter;
}

// R evaluates no deeper expression unless option `expressions` is raised; the C stack bears this much.
constexpr int kDeepest = 5000;

[[noreturn]] void raise_too_deep() {
  throw base::Error(base::ErrorKind::kInvalid,
                    "the globals of an expression cannot be found: its calls are nested more than " +
                        std::to_string(kDeepest) +
                        " deep.\ni Name the globals with `globals =`, or put the data into a variable.");
}

constexpr uint8_t kLocalFlag = 1, kSeenFlag = 2;

}  // namespace

// ---- SymbolFlags

SymbolFlags::SymbolFlags() : slots_(256, Slot{nullptr, 0}) {}

size_t SymbolFlags::slot_of(SEXP symbol) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = (reinterpret_cast<uintptr_t>(symbol) * UINT64_C(0x9E3779B97F4A7C15) >> 32) & mask;
  while (slots_[slot].symbol != nullptr && slots_[slot].symbol != symbol) slot = (slot + 1) & mask;
  return slot;
}

uint8_t& SymbolFlags::operator[](SEXP symbol) {
  size_t slot = slot_of(symbol);
  if (slots_[slot].symbol == nullptr) {
    if (2 * ++used_ > slots_.size()) {
      grow();
      slot = slot_of(symbol);
    }
    slots_[slot].symbol = symbol;
  }
  return slots_[slot].flags;
}

uint8_t SymbolFlags::get(SEXP symbol) const {
  const Slot& slot = slots_[slot_of(symbol)];
  return slot.symbol == nullptr ? uint8_t{0} : slot.flags;
}

void SymbolFlags::grow() {
  std::vector<Slot> old(2 * slots_.size(), Slot{nullptr, 0});
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.symbol != nullptr) slots_[slot_of(slot.symbol)] = slot;
  }
}

void SymbolFlags::clear() {
  if (used_ > 0) std::fill(slots_.begin(), slots_.end(), Slot{nullptr, 0});
  used_ = 0;
}

// ---- CodeWalker

void CodeWalker::start() {
  depth_ = 0;
  flags_.clear();
  names_.clear();
  inlined_closures_.clear();
  assigned_.clear();
  branches_.clear();
}

void CodeWalker::walk_closure(SEXP closure) {
  start();
  visit_function(closure_formals(closure), R_ClosureExpr(closure));
}

void CodeWalker::walk_language(SEXP code) {
  start();
  visit(code);
}

void CodeWalker::visit(SEXP code) {
  if (++depth_ > kDeepest) raise_too_deep();
  visit_node(code);
  --depth_;
}

void CodeWalker::visit_node(SEXP code) {
  switch (TYPEOF(code)) {
    case SYMSXP:
      return use(code);
    case LANGSXP:
      return visit_call(code);
    case BCODESXP:
      return visit(R_BytecodeExpr(code));
    case CLOSXP:
      return inlined_closures_.push_back(code);
    case EXPRSXP:
    case VECSXP:
      return visit_elements(code);
    default:
      return;
  }
}

namespace {

// The functions in a list and in the lists in it. What is nested deeper than anybody writes by hand is data.
template <typename Action>
void each_function(SEXP list, const Action& action, int depth = 0) {
  constexpr int kDeepest = 32;
  for (R_xlen_t i = 0; i < XLENGTH(list); ++i) {
    const SEXP element = VECTOR_ELT(list, i);
    if (TYPEOF(element) == CLOSXP) action(element);
    if (TYPEOF(element) == VECSXP && depth < kDeepest) each_function(element, action, depth + 1);
  }
}

}  // namespace

// An expression vector is code; a list is a value, of which only functions matter.
void CodeWalker::visit_elements(SEXP list) {
  if (TYPEOF(list) == VECSXP) return each_function(list, [this](SEXP function) { visit(function); });
  for (R_xlen_t i = 0; i < XLENGTH(list); ++i) visit(VECTOR_ELT(list, i));
}

void CodeWalker::visit_all(SEXP arguments) {
  for (SEXP rest = arguments; rest != R_NilValue; rest = CDR(rest)) visit(CAR(rest));
}

void CodeWalker::visit_call(SEXP call) {
  const SEXP head = CAR(call);
  if (!is_name(head)) return visit_all(call);
  const SEXP function = as_symbol(head);
  const int form = is_local(function) ? int{kCall} : syntax().forms.get(function);
  if (form != kFunction) use(function);
  visit_form(form, call);
}

void CodeWalker::visit_form(int form, SEXP call) {
  const SEXP arguments = CDR(call);
  switch (form) {
    case kNothing:
      return;
    case kFirst:
      return visit(CAR(arguments));
    case kNotFirst:
      return visit_all(CDR(arguments));
    case kNotSecond:
      return visit(CAR(arguments)), visit_all(CDDR(arguments));
    case kAssign:
      return visit_assignment(arguments);
    case kSuperAssign:
      return visit_super_assignment(arguments);
    case kFor:
      return visit_for(arguments);
    case kIf:
      return visit_if(arguments);
    case kFunction:
      return visit_function(CAR(arguments), CADR(arguments));
    case kLocal:
      return visit_local(arguments);
    case kAssignCall:
      return visit_assign_call(arguments);
    case kAttach:
      return visit_attach_call(arguments);
    case kBquote:
      return visit_bquote(arguments);
    case kInternal:  // .Internal(f(x)): f is no R function
      return visit_all(TYPEOF(CAR(arguments)) == LANGSXP ? CDAR(arguments) : arguments);
    case kNamedInString:
      visit_named_in_string(arguments);
      return visit_all(arguments);
    default:
      return visit_all(arguments);
  }
}

void CodeWalker::visit_function(SEXP formals, SEXP body) {
  const size_t mark = assigned_.size();
  for (SEXP rest = formals; rest != R_NilValue; rest = CDR(rest)) define(TAG(rest));
  visit_all(formals);
  visit(body);
  forget_since(mark);
}

void CodeWalker::visit_local(SEXP arguments) {
  if (arguments == R_NilValue || CDR(arguments) != R_NilValue) return visit_all(arguments);
  visit_function(R_NilValue, CAR(arguments));
}

void CodeWalker::visit_if(SEXP arguments) {
  const SEXP condition = CAR(arguments), yes = CADR(arguments), no = CADDR(arguments);
  visit(condition);
  const int truth = literal_truth(condition);
  if (truth == NA_LOGICAL) return visit_branches(yes, no);
  visit(truth != 0 ? yes : no);
}

// Afterwards is assigned what both branches assign, or what one does when the other leaves.
void CodeWalker::visit_branches(SEXP yes, SEXP no) {
  const size_t mark = assigned_.size(), saved = branches_.size();
  visit(yes);
  branches_.insert(branches_.end(), assigned_.begin() + static_cast<std::ptrdiff_t>(mark), assigned_.end());
  forget_since(mark);
  visit(no);
  if (leaves(no)) {
    forget_since(mark);
    for (size_t i = saved; i < branches_.size(); ++i) define(branches_[i]);
  } else if (!leaves(yes)) {
    keep_common(mark, saved);
  }
  branches_.resize(saved);
}

void CodeWalker::visit_for(SEXP arguments) {
  visit(CADR(arguments));
  define(CAR(arguments));
  visit(CADDR(arguments));
}

// The value before the target is local: `x <- x + 1` needs x. A function sees its own name, since it is
// called later.
void CodeWalker::visit_assignment(SEXP arguments) {
  const SEXP target = CAR(arguments), value = CADR(arguments);
  const SEXP variable = is_name(target) ? as_symbol(target) : visit_target(target);
  const bool own_name = is_name(target) && is_call_of(value, syntax().function);
  if (own_name) define(variable);
  visit(value);
  if (!own_name && variable != R_NilValue) define(variable);
}

void CodeWalker::visit_super_assignment(SEXP arguments) {
  const SEXP target = CAR(arguments);
  if (is_name(target)) {
    use(as_symbol(target));
  } else {
    visit_target(target);
  }
  visit(CADR(arguments));
}

// The target of `names(x)[2] <- value`: what it reads, the replacement functions it calls, and the variable
// it changes.
SEXP CodeWalker::visit_target(SEXP target) {
  if (TYPEOF(target) == SYMSXP) {
    use(target);
    return target;
  }
  if (TYPEOF(target) != LANGSXP) return is_string(target) ? as_symbol(target) : R_NilValue;
  const SEXP head = CAR(target);
  const SEXP variable = visit_target(CADR(target));
  const bool known = is_name(head);
  const int form = known ? syntax().forms.get(as_symbol(head)) : int{kCall};
  if (known) {
    use(as_symbol(head));
    use(replacement_function(as_symbol(head)));
  } else {
    visit(head);
  }
  if (form != kFirst) visit_all(CDDR(target));
  return variable;
}

// assign("x", value) in this frame; with more arguments it is a call as others.
void CodeWalker::visit_assign_call(SEXP arguments) {
  visit_all(arguments);
  if (Rf_length(arguments) == 2 && is_string(CAR(arguments))) define(as_symbol(CAR(arguments)));
}

// In library(pkg) pkg is no variable, but for character.only = TRUE.
void CodeWalker::visit_attach_call(SEXP arguments) {
  bool by_value = false;
  for (SEXP rest = arguments; rest != R_NilValue; rest = CDR(rest)) {
    by_value = by_value || TAG(rest) == syntax().character_only;
  }
  visit_all(by_value || arguments == R_NilValue ? arguments : CDR(arguments));
}

void CodeWalker::visit_bquote(SEXP arguments) {
  for (SEXP rest = arguments; rest != R_NilValue; rest = CDR(rest)) {
    if (rest == arguments) {
      visit_unquoted(CAR(rest));
    } else {
      visit(CAR(rest));
    }
  }
}

void CodeWalker::visit_unquoted(SEXP code) {
  if (TYPEOF(code) != LANGSXP) return;
  const SEXP head = CAR(code);
  if (head == syntax().dot || head == syntax().dot_dot) return visit_all(CDR(code));
  for (SEXP rest = code; rest != R_NilValue; rest = CDR(rest)) visit_unquoted(CAR(rest));
}

void CodeWalker::visit_named_in_string(SEXP arguments) {
  if (names_in_strings_ && arguments != R_NilValue && is_string(CAR(arguments))) use(as_symbol(CAR(arguments)));
}

void CodeWalker::use(SEXP symbol) {
  if (symbol == R_MissingArg) return;
  if (flags_.get(symbol) != 0) return;
  if (symbol != R_DotsSymbol && is_dots_element(symbol)) return use(R_DotsSymbol);
  flags_[symbol] = kSeenFlag;
  names_.push_back(symbol);
}

bool CodeWalker::is_local(SEXP symbol) const { return (flags_.get(symbol) & kLocalFlag) != 0; }

void CodeWalker::define(SEXP symbol) {
  uint8_t& flags = flags_[symbol];
  if ((flags & kLocalFlag) != 0) return;
  flags |= kLocalFlag;
  assigned_.push_back(symbol);
}

void CodeWalker::forget_since(size_t mark) {
  for (size_t i = mark; i < assigned_.size(); ++i) flags_[assigned_[i]] &= static_cast<uint8_t>(~kLocalFlag);
  assigned_.resize(mark);
}

void CodeWalker::keep_common(size_t mark, size_t other_branch) {
  const auto other = branches_.begin() + static_cast<std::ptrdiff_t>(other_branch);
  size_t kept = mark;
  for (size_t i = mark; i < assigned_.size(); ++i) {
    if (std::find(other, branches_.end(), assigned_[i]) != branches_.end()) {
      assigned_[kept++] = assigned_[i];
    } else {
      flags_[assigned_[i]] &= static_cast<uint8_t>(~kLocalFlag);
    }
  }
  assigned_.resize(kept);
}

// ---- GlobalsFinder

namespace {

// The part of an environment's "name" attribute after `prefix`, or NULL.
const char* name_after(SEXP env, const char* prefix) {
  const SEXP name = Rf_getAttrib(env, R_NameSymbol);
  if (!is_string(name)) return nullptr;
  const char* text = CHAR(STRING_ELT(name, 0));
  const size_t size = std::strlen(prefix);
  return std::strncmp(text, prefix, size) == 0 ? text + size : nullptr;
}

const char* namespace_name(SEXP ns) {
  const SEXP spec = R_NamespaceEnvSpec(ns);
  return TYPEOF(spec) == STRSXP && XLENGTH(spec) > 0 ? CHAR(STRING_ELT(spec, 0)) : nullptr;
}

bool is_native_symbol(SEXP value) { return TYPEOF(value) == VECSXP && Rf_inherits(value, "NativeSymbolInfo"); }

bool is_formula(SEXP value) { return TYPEOF(value) == LANGSXP && Rf_inherits(value, "formula"); }

SEXP formula_env(SEXP formula) { return Rf_getAttrib(formula, Rf_install(".Environment")); }

// The values that `...` stands for in `frame`, with their names.
SEXP dots_values(SEXP frame) {
  const SEXP list = PROTECT(Rf_eval(Rf_install("list"), R_BaseEnv));
  const SEXP call = PROTECT(Rf_lang2(list, R_DotsSymbol));
  const SEXP values = Rf_eval(call, frame);
  UNPROTECT(2);
  return values;
}

}  // namespace

void GlobalsFinder::follow(bool functions) { follow_ = functions; }

void GlobalsFinder::add_language(SEXP code, SEXP envir) { queue_.push_back({code, envir, false}); }

void GlobalsFinder::add_value(SEXP value, SEXP envir) {
  if (is_formula(value)) {
    const SEXP env = formula_env(value);
    if (TYPEOF(env) == ENVSXP) return queue_.push_back({value, env, true});
  }
  const int type = TYPEOF(value);
  if (type == LANGSXP || type == EXPRSXP || type == SYMSXP) return add_language(value, envir);
  visit_functions(value);
}

// A function is walked once for each environment. Those of namespaces need their package only, if it is
// attached here.
void GlobalsFinder::visit_closure(SEXP closure) {
  const SEXP env = closure_env(closure);
  if (env == R_BaseNamespace || env == R_BaseEnv) return;
  if (R_IsNamespaceEnv(env) == TRUE) {
    const char* package = namespace_name(env);
    if (package != nullptr && attached_package(package) != nullptr) add_package(package);
    return;
  }
  const std::pair<SEXP, SEXP> key(R_ClosureExpr(closure), env);
  if (!follow_ || std::find(visited_.begin(), visited_.end(), key) != visited_.end()) return;
  visited_.push_back(key);
  queue_.push_back({closure, env, true});
}

void GlobalsFinder::visit_functions(SEXP value) {
  if (TYPEOF(value) == CLOSXP) return visit_closure(value);
  if (TYPEOF(value) == VECSXP) each_function(value, [this](SEXP function) { visit_closure(function); });
}

void GlobalsFinder::begin() {
  kept_ = PROTECT(Rf_cons(R_NilValue, R_NilValue));
  read_search_path();
}

void GlobalsFinder::end() { UNPROTECT(1); }

SEXP GlobalsFinder::keep(SEXP object) {
  PROTECT(object);
  SETCDR(kept_, Rf_cons(object, CDR(kept_)));
  UNPROTECT(1);
  return object;
}

void GlobalsFinder::find() {
  for (size_t next = 0; next < queue_.size(); ++next) read(queue_[next]);
}

void GlobalsFinder::read(Item item) {
  if (TYPEOF(item.code) == CLOSXP) {
    walker_.walk_closure(item.code);
  } else {
    walker_.walk_language(item.code);
  }
  for (const SEXP closure : walker_.inlined_closures()) visit_closure(closure);
  for (const SEXP symbol : walker_.names()) resolve(symbol, item.env, item.travels);
}

void GlobalsFinder::resolve(SEXP symbol, SEXP env, bool travels) {
  for (; env != R_EmptyEnv; env = parent_env(env)) {
    if (env == R_GlobalEnv) return resolve_global(symbol);
    if (!has(env, symbol)) continue;
    if (env == R_BaseNamespace || env == R_BaseEnv) return;
    return found_in_frame(symbol, env, travels);
  }
}

void GlobalsFinder::resolve_global(SEXP symbol) {
  if (has(R_GlobalEnv, symbol)) return export_value(symbol, R_GlobalEnv, false);
  for (const Attached& attached : search_path_) {
    if (has(attached.env, symbol)) return found_attached(symbol, attached.env, attached.package);
  }
}

// In an environment before the global one: a call's frame, a namespace or its imports, or one of the search
// path when that is where the search started.
void GlobalsFinder::found_in_frame(SEXP symbol, SEXP env, bool travels) {
  const char* package = name_after(env, "package:");
  if (package != nullptr) return found_attached(symbol, env, package);
  if (R_IsNamespaceEnv(env) == TRUE) {
    if (!travels) found_in_namespace(symbol, env);
    return;
  }
  if (!travels) return export_value(symbol, env, true);
  if (name_after(env, "imports:") == nullptr) visit_functions(value_in(symbol, env));
}

// A package function's code that is evaluated outside its namespace: what the attached package shows comes
// with the package. Native symbols are addresses of this process.
void GlobalsFinder::found_in_namespace(SEXP symbol, SEXP ns) {
  const char* package = namespace_name(ns);
  if (is_base_generic(symbol, package)) return;
  const Attached* attached = package == nullptr ? nullptr : attached_package(package);
  if (attached != nullptr && has(attached->env, symbol)) return add_package(package);
  if (!is_native_symbol(value_in(symbol, ns))) export_value(symbol, ns, true);
}

// Base R's functions that this package has methods for its arrays of (R/gpu-methods.R): of all else the worker's own
// base has them. Arrays bring the package with them.
bool GlobalsFinder::is_base_generic(SEXP symbol, const char* package) {
  return package != nullptr && std::strcmp(package, "avenir") == 0 && has(R_BaseEnv, symbol);
}

void GlobalsFinder::found_attached(SEXP symbol, SEXP env, const char* package) {
  if (env == R_BaseEnv || is_base_generic(symbol, package)) return;
  if (package != nullptr) return add_package(package);
  export_value(symbol, env, false);
}

// The value of a name that `env` has; R_MissingArg when it is an argument that was not given.
SEXP GlobalsFinder::value_in(SEXP symbol, SEXP env) {
  const SEXP value = symbol == R_DotsSymbol ? dots_values(env) : frame_value(symbol, env);
  return keep(value);
}

void GlobalsFinder::export_value(SEXP symbol, SEXP env, bool in_frame) {
  Export* const known = exported(symbol);
  if (known != nullptr && (known->in_frame == in_frame || known->other != nullptr)) return;
  const SEXP value = value_in(symbol, env);
  if (value == R_MissingArg) return;
  visit_functions(value);
  if (known == nullptr) {
    exported_[symbol] = 1;
    exports_.push_back({symbol, value, nullptr, in_frame});
  } else if (known->value != value) {
    known->other = value;
  }
}

GlobalsFinder::Export* GlobalsFinder::exported(SEXP symbol) {
  if (exported_[symbol] == 0) return nullptr;
  for (Export& entry : exports_) {
    if (entry.symbol == symbol) return &entry;
  }
  return nullptr;
}

void GlobalsFinder::add_package(const char* package) {
  if (std::strcmp(package, "base") == 0) return;
  for (const char* known : packages_) {
    if (std::strcmp(known, package) == 0) return;
  }
  packages_.push_back(CHAR(keep(Rf_mkChar(package))));
}

void GlobalsFinder::read_search_path() {
  for (SEXP env = parent_env(R_GlobalEnv); env != R_EmptyEnv; env = parent_env(env)) {
    search_path_.push_back({keep(env), env == R_BaseEnv ? "base" : name_after(env, "package:")});
  }
}

const GlobalsFinder::Attached* GlobalsFinder::attached_package(const char* package) const {
  for (const Attached& attached : search_path_) {
    if (attached.package != nullptr && std::strcmp(attached.package, package) == 0) return &attached;
  }
  return nullptr;
}

SEXP GlobalsFinder::packages() const {
  const SEXP names = PROTECT(Rf_allocVector(STRSXP, static_cast<R_xlen_t>(packages_.size())));
  for (size_t i = 0; i < packages_.size(); ++i)
    SET_STRING_ELT(names, static_cast<R_xlen_t>(i), Rf_mkChar(packages_[i]));
  UNPROTECT(1);
  return names;
}

// A named list of the exports: all of them with the value that the global environment is to have, or
// (`frames_only`) those whose value in a frame is another.
SEXP GlobalsFinder::values(bool frames_only) const {
  const auto is_wanted = [frames_only](const Export& entry) { return !frames_only || entry.other != nullptr; };
  const auto size = static_cast<R_xlen_t>(std::count_if(exports_.begin(), exports_.end(), is_wanted));
  const SEXP list = PROTECT(Rf_allocVector(VECSXP, size));
  const SEXP names = PROTECT(Rf_allocVector(STRSXP, size));
  R_xlen_t next = 0;
  for (const Export& entry : exports_) {
    if (!is_wanted(entry)) continue;
    const bool first = entry.other == nullptr || entry.in_frame == frames_only;
    SET_VECTOR_ELT(list, next, first ? entry.value : entry.other);
    SET_STRING_ELT(names, next++, PRINTNAME(entry.symbol));
  }
  if (size > 0) Rf_setAttrib(list, R_NamesSymbol, names);
  UNPROTECT(2);
  return list;
}

SEXP GlobalsFinder::result() const {
  const char* fields[] = {"globals", "packages", "locals", ""};
  const SEXP result = PROTECT(Rf_mkNamed(VECSXP, fields));
  SET_VECTOR_ELT(result, 0, values(false));
  SET_VECTOR_ELT(result, 1, packages());
  SET_VECTOR_ELT(result, 2, values(true));
  UNPROTECT(1);
  return result;
}

// ---- Entries

namespace {

// Runs `action` guarded, and lets C++ exceptions pass R's frames by going round them.
template <typename Action>
void guarded_all(Action action) {
  std::exception_ptr problem;
  guarded([&] {
    try {
      action();
    } catch (...) {
      problem = std::current_exception();
    }
  });
  if (problem) std::rethrow_exception(problem);
}

// Fills a finder and gives its result. The finder lives outside the guarded closure: a jump skips no
// destructor of its.
template <typename Fill>
SEXP find_with(Fill fill) {
  GlobalsFinder finder;
  SEXP result = R_NilValue;
  guarded_all([&] {
    finder.begin();
    fill(finder);
    finder.find();
    result = finder.result();
    finder.end();
  });
  return result;
}

}  // namespace

SEXP find_language_globals(SEXP code, SEXP envir) {
  return find_with([=](GlobalsFinder& finder) { finder.add_language(code, envir); });
}

SEXP find_closure_globals(SEXP fun, SEXP arguments, SEXP envir) {
  return find_with([=](GlobalsFinder& finder) {
    finder.visit_functions(fun);
    for (R_xlen_t i = 0; i < Rf_xlength(arguments); ++i) {
      const SEXP argument = VECTOR_ELT(arguments, i);
      if (argument != R_MissingArg) finder.add_value(argument, envir);
    }
  });
}

SEXP find_named_globals(SEXP names, SEXP envir) {
  return find_with([=](GlobalsFinder& finder) {
    finder.follow(false);
    for (R_xlen_t i = 0; i < XLENGTH(names); ++i) finder.add_language(Rf_installTrChar(STRING_ELT(names, i)), envir);
  });
}

SEXP packages_of(SEXP values) {
  return find_with([=](GlobalsFinder& finder) {
    finder.follow(false);
    finder.visit_functions(values);
  });
}

SEXP free_names(SEXP code, bool names_in_strings) {
  CodeWalker walker(names_in_strings);
  SEXP result = R_NilValue;
  guarded_all([&] {
    if (TYPEOF(code) == CLOSXP) {
      walker.walk_closure(code);
    } else {
      walker.walk_language(code);
    }
    const std::vector<SEXP>& names = walker.names();
    result = PROTECT(Rf_allocVector(STRSXP, static_cast<R_xlen_t>(names.size())));
    for (size_t i = 0; i < names.size(); ++i) SET_STRING_ELT(result, static_cast<R_xlen_t>(i), PRINTNAME(names[i]));
    UNPROTECT(1);
  });
  return result;
}

// ---- What would travel: R's own serializer, with nobody reading

namespace {

struct Reading {
  double bytes = 0;
  SEXP reference = nullptr;
};

void count_byte(R_outpstream_t stream, int) { static_cast<Reading*>(stream->data)->bytes += 1; }

void count_bytes(R_outpstream_t stream, void*, int size) { static_cast<Reading*>(stream->data)->bytes += size; }

// External pointers to nothing arrive as they are, and a gpu_array's brings its elements. R_NilValue as an address is
// data.table's mark in each of its tables, which it renews itself.
bool is_harmless(SEXP reference) {
  if (TYPEOF(reference) != EXTPTRSXP) return false;
  if (R_ExternalPtrTag(reference) == Rf_install("avenir::node")) return true;
  const void* address = R_ExternalPtrAddr(reference);
  return address == nullptr || address == static_cast<void*>(R_NilValue);
}

// R calls this for environments, external pointers and weak references. A string in place of the last two
// keeps it from going on inside them.
SEXP note_reference(SEXP reference, SEXP note) {
  if (TYPEOF(reference) == ENVSXP) return R_NilValue;
  auto* reading = static_cast<Reading*>(R_ExternalPtrAddr(note));
  if (reading->reference == nullptr && !is_harmless(reference)) reading->reference = reference;
  return R_BlankScalarString;
}

// May jump.
void read_as_serialized(SEXP object, Reading* reading, bool references) {
  constexpr int kVersion = 3;
  R_outpstream_st stream;
  const SEXP note = PROTECT(references ? R_MakeExternalPtr(reading, R_NilValue, R_NilValue) : R_NilValue);
  R_InitOutPStream(&stream, static_cast<R_pstream_data_t>(reading), R_pstream_binary_format, kVersion, count_byte,
                   count_bytes, references ? note_reference : nullptr, note);
  set_travelling(true);
  R_Serialize(object, &stream);
  set_travelling(false);
  UNPROTECT(1);
}

}  // namespace

double serialized_size(SEXP object) {
  Reading reading;
  guarded([&] { read_as_serialized(object, &reading, false); });
  return reading.bytes;
}

SEXP find_reference(SEXP object) {
  Reading reading;
  guarded([&] { read_as_serialized(object, &reading, true); });
  return reading.reference == nullptr ? R_NilValue : reading.reference;
}

}  // namespace avenir::rbridge
