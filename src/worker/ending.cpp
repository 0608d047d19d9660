#include "worker/ending.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "rbridge/unwind.h"
#include "sys/process.h"
#include "sys/signals.h"

namespace avenir::worker {

namespace {

// As in R's Rinterface.h; the first argument says whether to save the workspace.
using CleanUp = void (*)(int, int, int);

engine::WorkerPort* told = nullptr;
CleanUp before = nullptr;

// R's variable of this name, or nullptr.
template <typename T>
T* variable(const char* name) {
  return reinterpret_cast<T*>(::dlsym(RTLD_DEFAULT, name));
}

void note_and_quit(int save, int status, int run_last) {
  told->note_quit();
  before(save, status, run_last);
}

void note_and_leave(int, int status, int) {
  told->note_quit();
  sys::exit_at_once(status);
}

void quit_by(CleanUp function, engine::WorkerPort& port) {
  auto* const clean_up = variable<CleanUp>("ptr_R_CleanUp");
  if (clean_up == nullptr || *clean_up == nullptr) return;
  told = &port;
  before = *clean_up;
  *clean_up = function;
}

// R removes the folder that it has made when it ends, also from its handler of crashes, where nothing can be put in
// between. So it makes another one, which is gone before R ends, while tempdir() is what it was.
void give_up_temp_folder(SEXP token) {
  char** const folder = variable<char*>("R_TempDir");
  if (folder == nullptr || *folder == nullptr) return;
  char* const kept = *folder;
  const char* const variable_before = ::getenv("TMPDIR");
  const std::string restored = variable_before == nullptr ? "" : variable_before;
  static char no_folder[] = "/dev/null/none";
  ::setenv("TMPDIR", kept, 1);
  *folder = no_folder;  // tempdir(TRUE) makes a folder when this one cannot be written to
  auto make_folder = [] {
    Rf_eval(PROTECT(Rf_lang2(Rf_install("tempdir"), Rf_ScalarLogical(1))), R_BaseEnv);
    UNPROTECT(1);
  };
  rbridge::stops_jumps(make_folder, token);
  if (*folder != no_folder) ::rmdir(*folder);
  *folder = kept;
  if (variable_before == nullptr)
    ::unsetenv("TMPDIR");
  else
    ::setenv("TMPDIR", restored.c_str(), 1);
}

}  // namespace

void tell_when_r_quits(engine::WorkerPort& port) { quit_by(note_and_quit, port); }

void leave_session_alone(engine::WorkerPort& port, SEXP token) {
  quit_by(note_and_leave, port);
  if (auto* const interactive = variable<int>("R_Interactive")) *interactive = 0;
  if (auto* const forked = variable<int>("R_isForkedChild")) *forked = 1;
  give_up_temp_folder(token);
}

}  // namespace avenir::worker
