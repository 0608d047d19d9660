#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "rbridge/r.h"

// Finds what R code needs from outside itself, by reading it. R thread only.

namespace avenir::rbridge {

// Flags by R symbol. R never collects a symbol, so the keys need no protection.
class SymbolFlags {
 public:
  SymbolFlags();
  uint8_t& operator[](SEXP symbol);
  uint8_t get(SEXP symbol) const;  // 0 for a symbol that is not in
  void clear();

 private:
  struct Slot {
    SEXP symbol;
    uint8_t flags;
  };
  size_t slot_of(SEXP symbol) const;
  void grow();

  std::vector<Slot> slots_;
  size_t used_ = 0;
};

// The free names of one piece of code, in the order in which they appear: every name that may be looked up
// outside because nothing before that place is sure to have assigned it. An assignment in one branch of an
// `if` only is not sure, one in a loop's body is. Formulas, replacement functions (`names<-`), `<<-` and
// inlined functions count; quoted code, names after `$`, `@` and `::` and the package in library(pkg) do not.
// `..1` counts as `...`.
//
// Reads only: no R code runs. It can jump when memory for a symbol runs out, and throws std::bad_alloc or a
// base::Error for code nested too deeply to be evaluated: call it guarded.
class CodeWalker {
 public:
  // `names_in_strings`: the name in do.call("f"), get("x") and their like counts too.
  explicit CodeWalker(bool names_in_strings) : names_in_strings_(names_in_strings) {}

  void walk_closure(SEXP closure);
  void walk_language(SEXP code);

  const std::vector<SEXP>& names() const { return names_; }
  const std::vector<SEXP>& inlined_closures() const { return inlined_closures_; }

 private:
  void start();
  void visit(SEXP code);
  void visit_node(SEXP code);
  void visit_all(SEXP arguments);
  void visit_elements(SEXP list);
  void visit_call(SEXP call);
  void visit_form(int form, SEXP call);
  void visit_function(SEXP formals, SEXP body);
  void visit_local(SEXP arguments);
  void visit_if(SEXP arguments);
  void visit_branches(SEXP yes, SEXP no);
  void visit_for(SEXP arguments);
  void visit_assignment(SEXP arguments);
  void visit_super_assignment(SEXP arguments);
  SEXP visit_target(SEXP target);
  void visit_assign_call(SEXP arguments);
  void visit_attach_call(SEXP arguments);
  void visit_bquote(SEXP arguments);
  void visit_unquoted(SEXP code);
  void visit_named_in_string(SEXP arguments);
  void use(SEXP symbol);
  void define(SEXP symbol);
  bool is_local(SEXP symbol) const;
  void forget_since(size_t mark);
  void keep_common(size_t mark, size_t other_branch);

  const bool names_in_strings_;
  int depth_ = 0;
  SymbolFlags flags_;
  std::vector<SEXP> names_;
  std::vector<SEXP> inlined_closures_;
  std::vector<SEXP> assigned_;  // the names that are local here, in order; scopes and branches cut it back
  std::vector<SEXP> branches_;  // what first branches of open ifs have assigned
};

// Finds the values of free names, the names that those functions need in turn, and the packages to attach.
//
// What a worker gets: values found in the global environment, in a frame that does not travel, or in an
// attached environment that is no package. What it gets anyhow: the frames of functions that travel,
// namespaces and base. An attached package goes by name. Promises are forced, active bindings read; a missing
// argument counts as found.
class GlobalsFinder {
 public:
  GlobalsFinder() : walker_(true) {}

  // begin() first, end() last: between them R's protection stack holds what the finder holds.
  void begin();
  void end();

  // Whether functions among the values are read in turn (default) or only asked for their package.
  void follow(bool functions);

  // Code, or a name, to be looked up from `envir` outwards.
  void add_language(SEXP code, SEXP envir);
  // A value that travels: a function, a formula, language (looked up from `envir`) or a list with functions.
  void add_value(SEXP value, SEXP envir);
  void visit_functions(SEXP value);

  // Looks up all that was added. Jumps as R code does.
  void find();

  // list(globals, packages, locals), not protected. `locals` has the values of names that the code sees in a
  // frame while a function it needs sees another value in the global environment; `globals` has that one.
  SEXP result() const;

 private:
  struct Item {
    SEXP code;
    SEXP env;
    bool travels;  // the frames from `env` on go along with the code
  };
  struct Attached {
    SEXP env;
    const char* package;  // NULL: not a package
  };
  struct Export {
    SEXP symbol;
    SEXP value;
    SEXP other;     // the value in the global environment if `value` is a frame's, or the reverse; NULL: not
                    // needed
    bool in_frame;  // where `value` was found
  };

  void read(Item item);
  void resolve(SEXP symbol, SEXP env, bool travels);
  void resolve_global(SEXP symbol);
  void found_in_frame(SEXP symbol, SEXP env, bool travels);
  void found_in_namespace(SEXP symbol, SEXP ns);
  static bool is_base_generic(SEXP symbol, const char* package);
  void found_attached(SEXP symbol, SEXP env, const char* package);
  void export_value(SEXP symbol, SEXP env, bool in_frame);
  void visit_closure(SEXP closure);
  void add_package(const char* package);
  void read_search_path();
  SEXP value_in(SEXP symbol, SEXP env);
  SEXP keep(SEXP object);
  SEXP values(bool frames_only) const;
  SEXP packages() const;
  const Attached* attached_package(const char* package) const;
  Export* exported(SEXP symbol);

  CodeWalker walker_;
  bool follow_ = true;
  std::vector<Item> queue_;
  std::vector<std::pair<SEXP, SEXP>> visited_;  // body and environment of each closure met
  std::vector<Attached> search_path_;
  std::vector<Export> exports_;
  SymbolFlags exported_;
  std::vector<const char*> packages_;
  SEXP kept_ = nullptr;  // a protected pairlist: values that only this search holds
};

// The free names of a closure or of language, as an R character vector (for tests and questions; not the hot
// path).
SEXP free_names(SEXP code, bool names_in_strings);

// list(globals, packages, locals) of code that will be evaluated in `envir`.
SEXP find_language_globals(SEXP code, SEXP envir);

// The same of a function and its further arguments.
SEXP find_closure_globals(SEXP fun, SEXP arguments, SEXP envir);

// The same of given names, without looking into what they hold.
SEXP find_named_globals(SEXP names, SEXP envir);

// The attached packages whose functions stand in a list.
SEXP packages_of(SEXP values);

// Bytes that serialize() would write, without writing them.
double serialized_size(SEXP object);

// The first thing inside `object` that another process cannot use (a live external pointer, a weak
// reference); NULL when there is none.
SEXP find_reference(SEXP object);

}  // namespace avenir::rbridge
