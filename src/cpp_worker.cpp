#include <Rcpp.h>
#include <dlfcn.h>

#include "engine/template_server.h"
#include "rbridge/r.h"
#include "rbridge/shared_vector.h"
#include "sys/library_threads.h"
#include "sys/process.h"
#include "worker/worker_loop.h"

// These doors return void on purpose: in a worker the namespace of Rcpp is not loaded, and only such wrappers
// do without.

namespace {

// Set in a forked worker only; never freed.
avenir::engine::WorkerFds* forked_worker = nullptr;

avenir::sys::OwnFd session_fd(bool watch, int number) { return avenir::sys::OwnFd(watch ? number : -1); }

avenir::engine::WorkerFds started_worker(bool watch) {
  using namespace avenir::engine;
  using avenir::sys::OwnFd;
  return {OwnFd(kWorkerDataFd), OwnFd(kWorkerControlFd), OwnFd(kWorkerSlotFd), session_fd(watch, kWorkerSessionFd)};
}

}  // namespace

// Returns in each forked worker.
// [[Rcpp::export(rng = false)]]
void cpp_template_serve(SEXP temp_folder, SEXP watch) {
  using namespace avenir;
  forked_worker = new engine::WorkerFds(engine::serve_forks(
      sys::OwnFd(engine::kTemplateSocketFd), session_fd(Rf_asLogical(watch) == 1, engine::kTemplateSessionFd),
      CHAR(STRING_ELT(temp_folder, 0))));
}

// Never returns.
// [[Rcpp::export(rng = false)]]
void cpp_worker_run(SEXP functions, SEXP temp_folder, SEXP watch, SEXP forked) {
  using namespace avenir;
  const SEXP limit = PROTECT(Rf_lang1(Rf_install("thread_limit")));
  sys::limit_library_threads(Rf_asInteger(Rf_eval(limit, functions)));
  UNPROTECT(1);
  engine::WorkerFds fds =
      Rf_asLogical(forked) == 1 ? std::move(*forked_worker) : started_worker(Rf_asLogical(watch) == 1);
  if (Rf_asLogical(forked) != 1) sys::go_on_after_parent();  // to end with the session
  worker::define_condition_routine(functions);
  worker::run_worker(std::move(fds), functions, CHAR(STRING_ELT(temp_folder, 0)));
}

// The library stays mapped as long as the process lives: threads, fork handlers and ALTREP methods
// point into it.
// [[Rcpp::init]]
void keep_library_mapped(DllInfo* dll) {
  (void)dll;
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&keep_library_mapped), &info) != 0)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

// [[Rcpp::init]]
void register_shared_vectors(DllInfo* dll) { avenir::rbridge::register_shared_vectors(dll); }
