#include <Rcpp.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "base/scope.h"

#include "engine/engine.h"
#include "rbridge/door.h"
#include "rbridge/serialize.h"
#include "rbridge/shared_stream.h"
#include "rbridge/wait.h"
#include "shm/job_data.h"
#include "shm/segment_store.h"
#include "shm/task_table.h"
#include "sys/memory_use.h"
#include "worker/engine_options.h"
#include "worker/worker_loop.h"

namespace {

using namespace avenir;
using JobDataPointer = Rcpp::XPtr<shm::JobData>;

uint64_t job_id(SEXP id) { return static_cast<uint64_t>(Rf_asReal(id)); }

void serialize_guarded(SEXP object, base::Bytes& bytes) {
  base::Bytes* const target = &bytes;
  rbridge::guarded([object, target] { rbridge::serialize_into(object, *target); });
}

// The same with large vectors in shared memory.
void share_guarded(SEXP object, rbridge::SharedWriting& writing, base::Bytes& bytes) {
  base::Bytes* const target = &bytes;
  rbridge::SharedWriting* const shared = &writing;
  rbridge::guarded([object, target, shared] { shared->write(object, *target); });
}

// Not protected.
SEXP unserialize_guarded(const base::SharedBytes& bytes) {
  SEXP value = R_NilValue;
  SEXP* const target = &value;
  const uint8_t* const data = bytes.data();
  const size_t size = bytes.size();
  rbridge::guarded([target, data, size] { *target = rbridge::unserialize(data, size); });
  return value;
}

// NA: the system does not tell.
int out_of_memory(const wire::LostMessage& lost) {
  if (lost.cause == wire::LossCause::kOutOfMemory) return 1;
  return lost.memory_watched != 0 ? 0 : NA_LOGICAL;
}

SEXP lost_fields(const wire::LostMessage& lost) {
  Rcpp::LogicalVector memory(1, out_of_memory(lost));
  return Rcpp::List::create(
      Rcpp::Named("worker") = lost.worker, Rcpp::Named("pid") = lost.pid, Rcpp::Named("signal") = lost.signal,
      Rcpp::Named("exit_code") = lost.exit_code, Rcpp::Named("known") = lost.status_known != 0,
      Rcpp::Named("cause") = static_cast<int>(lost.cause), Rcpp::Named("out_of_memory") = memory,
      Rcpp::Named("element") = static_cast<double>(lost.element) + 1, Rcpp::Named("log") = lost.log,
      Rcpp::Named("note") = lost.note, Rcpp::Named("host") = lost.host);
}

// One list an attempt; the last is the one that counts.
SEXP attempts_fields(const base::SharedBytes& bytes) {
  Rcpp::List attempts;
  for (const auto& lost : wire::decode_losses(bytes)) attempts.push_back(lost_fields(lost));
  return attempts;
}

// The answer has the segments until its views have them.
void know_segments(const wire::Answer& answer) {
  if (!answer.segments) return;
  for (const auto& segment : *static_cast<const shm::Segments*>(answer.segments.get()))
    shm::SegmentStore::process().know(segment);
}

SEXP content_of(const wire::Answer& answer) {
  know_segments(answer);
  switch (answer.kind) {
    case wire::AnswerKind::kValue:
    case wire::AnswerKind::kRecord:
      return unserialize_guarded(answer.bytes);
    case wire::AnswerKind::kLost:
      return attempts_fields(answer.bytes);
    case wire::AnswerKind::kNotStarted:
      return Rcpp::wrap(std::string(reinterpret_cast<const char*>(answer.bytes.data()), answer.bytes.size()));
    default:
      return R_NilValue;
  }
}

void call_guarded(SEXP function, SEXP argument) {
  const Rcpp::Shield<SEXP> call(Rf_lang2(function, argument));
  const SEXP code = call;
  rbridge::guarded([code] { Rf_eval(code, R_GlobalEnv); });
}

// Conditions that are not to wait, and that there are fewer workers than wanted (a string).
void relay_immediates(engine::Engine& engine, uint64_t id, SEXP relay) {
  while (const auto bytes = engine.take_immediate(id)) {
    const Rcpp::Shield<SEXP> condition(unserialize_guarded(*bytes));
    call_guarded(relay, condition);
  }
  const std::string shortage = engine.take_shortage();
  if (!shortage.empty()) call_guarded(relay, Rcpp::Shield<SEXP>(Rcpp::wrap(shortage)));
}

// A wake-up takes longer than this on a quiet machine, and most small tasks are over by then.
constexpr double kSpinSeconds = 50e-6;

// Waits until there may be something to take of the job, for a step at most.
void await_news(engine::Engine& engine, uint64_t id) {
  const auto line = engine.open_line(id);
  const base::ScopeGuard close([&] { engine.close_line(line); });
  rbridge::Awaited awaited{engine.ready_fd(), line.fd};
  if (line.fd >= 0 && line.spin) awaited.spin = kSpinSeconds;
  const rbridge::Woken woken = rbridge::wait_a_step(awaited);
  if (woken.fd) engine.drain_ready();
  if (woken.other) engine.receive(line);
}

// Waits for the answer; interruptible. What is to be relayed at once goes to the R function `relay`. Nothing:
// the job wants another fork, or word from the scheduler, first.
std::optional<wire::Answer> await(engine::Engine& engine, uint64_t id, uint64_t element, SEXP relay) {
  for (;;) {
    relay_immediates(engine, id, relay);
    if (auto answer = engine.take(id, element)) return answer;
    if (engine.wants_help(id)) return std::nullopt;
    await_news(engine, id);
  }
}

// Returns when something has happened to a fork, or after a step; interruptible.
void await_change(engine::Engine& engine) {
  engine.await_end_of_fork();
  if (rbridge::wait_a_step({engine.ready_fd()}).fd) engine.drain_ready();
}

// Beyond so many unfinished forks the next has to wait until one has ended.
void await_room(engine::Engine& engine, unsigned limit) {
  while (engine.unfinished_forks() >= limit) await_change(engine);
}

// Beside the kinds of answers; see R/engine.R.
constexpr int kWantsFork = 5;

SEXP wants_fork(R_xlen_t position) {
  return Rcpp::List::create(Rcpp::Named("kind") = kWantsFork,
                            Rcpp::Named("position") = static_cast<double>(position) + 1);
}

// A value that only the process in which it was made can use.
bool is_reference(SEXP value) {
  return TYPEOF(value) == EXTPTRSXP || TYPEOF(value) == WEAKREFSXP ||
         (Rf_inherits(value, "connection") && !Rf_inherits(value, "terminal"));
}

// list(kind = , content = , element = , position = ): see R/engine.R.
SEXP describe_answer(const wire::Answer& answer, R_xlen_t position, SEXP content) {
  return Rcpp::List::create(Rcpp::Named("kind") = static_cast<int>(answer.kind), Rcpp::Named("content") = content,
                            Rcpp::Named("element") = static_cast<double>(answer.element) + 1,
                            Rcpp::Named("position") = static_cast<double>(position) + 1);
}

// list(retries, timeout)
engine::JobPolicy policy_of(SEXP list) {
  engine::JobPolicy policy;
  if (Rf_xlength(list) < 2) return policy;
  policy.retries = static_cast<unsigned>(std::min(Rf_asReal(VECTOR_ELT(list, 0)), 1e9));
  policy.time_limit = Rf_asReal(VECTOR_ELT(list, 1));
  return policy;
}

std::vector<uint64_t> counted_from_zero(SEXP numbers) {
  std::vector<uint64_t> result;
  if (numbers == R_NilValue) return result;
  for (const double number : Rcpp::as<std::vector<double>>(numbers))
    result.push_back(static_cast<uint64_t>(number) - 1);
  return result;
}

// Chunk ends to bounds: 0, end 1, end 2, ...
std::vector<uint64_t> bounds_of(SEXP ends) {
  std::vector<uint64_t> bounds;
  if (ends == R_NilValue) return bounds;
  bounds.push_back(0);
  for (const double end : Rcpp::as<std::vector<double>>(ends)) bounds.push_back(static_cast<uint64_t>(end));
  return bounds;
}

// Offsets, then the serialized elements.
base::Bytes serialize_each(SEXP list, rbridge::SharedWriting& writing) {
  base::Bytes values;
  std::vector<uint64_t> offsets{0};
  for (R_xlen_t i = 0; i < Rf_xlength(list); ++i) {
    share_guarded(VECTOR_ELT(list, i), writing, values);
    offsets.push_back(values.size());
  }
  base::Bytes all(offsets.size() * sizeof(uint64_t));
  std::memcpy(all.data(), offsets.data(), all.size());
  all.insert(all.end(), values.begin(), values.end());
  return all;
}

shm::JobDataParts parts_of(const Rcpp::List& job, const base::Bytes& context, const base::Bytes& elements) {
  shm::JobDataParts parts;
  parts.count = static_cast<uint64_t>(Rf_xlength(job["x"]));
  parts.mode = TYPEOF(job["x"]) == VECSXP ? shm::ElementMode::kEach : shm::ElementMode::kWhole;
  parts.context = context;
  parts.elements = elements;
  parts.order = counted_from_zero(job["order"]);
  parts.bounds = bounds_of(job["bounds"]);
  if (job["stream"] != R_NilValue) parts.stream = Rcpp::as<std::vector<int32_t>>(job["stream"]);
  return parts;
}

shm::TaskTable make_table(engine::Engine& engine, const shm::JobDataParts& parts, const Rcpp::List& job) {
  const uint64_t units = parts.bounds.empty() ? parts.count : parts.bounds.size() - 1;
  return shm::TaskTable::create(parts.count, units, engine.capacity(), Rcpp::as<bool>(job["keep_going"]));
}

}  // namespace

// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_start(SEXP options) {
  return rbridge::door([&]() -> SEXP {
    engine::EngineOptions parsed = doors::engine_options(rbridge::NamedList(options));
    return doors::EnginePointer(new engine::Engine(std::move(parsed)));
  });
}

// [[Rcpp::export(rng = false)]]
void cpp_engine_stop(SEXP pointer) {
  doors::EnginePointer engine(pointer);
  engine.release();
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_submit_task(SEXP engine, SEXP task, SEXP policy) {
  return rbridge::door([&]() -> SEXP {
    base::Bytes bytes;
    rbridge::SharedWriting writing(shm::Reuse::kByContent);
    share_guarded(task, writing, bytes);
    const uint64_t id =
        doors::get_engine(engine).submit_task(wire::to_shared(bytes), policy_of(policy), writing.finish());
    return Rf_ScalarReal(static_cast<double>(id));
  });
}

// `job`: list(context, x, order, bounds, stream, keep_going, policy)
// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_submit_map(SEXP engine, Rcpp::List job) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& target = doors::get_engine(engine);
    base::Bytes context, elements;
    rbridge::SharedWriting writing(shm::Reuse::kByContent);
    share_guarded(job["context"], writing, context);
    const SEXP x = job["x"];
    if (TYPEOF(x) == VECSXP)
      elements = serialize_each(x, writing);
    else
      share_guarded(x, writing, elements);
    const shm::JobDataParts parts = parts_of(job, context, elements);
    const uint64_t id = target.submit_map(make_table(target, parts, job), shm::write_job_data(parts), parts.order,
                                          policy_of(job["policy"]), writing.finish());
    return Rf_ScalarReal(static_cast<double>(id));
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_new_task(SEXP engine, SEXP policy) {
  return rbridge::door([&]() -> SEXP {
    return Rf_ScalarReal(static_cast<double>(doors::get_engine(engine).new_task(policy_of(policy))));
  });
}

// A map for forks: list(id, data). `job` as for cpp_engine_submit_map(); its elements and context stay where
// they are.
// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_new_map(SEXP engine, Rcpp::List job) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& target = doors::get_engine(engine);
    const base::Bytes none;
    shm::JobDataParts parts = parts_of(job, none, none);
    parts.mode = shm::ElementMode::kWhole;
    const JobDataPointer data(new shm::JobData(shm::JobData::attach(shm::write_job_data(parts))));
    const uint64_t id = target.new_map(make_table(target, parts, job), parts.order, policy_of(job["policy"]));
    return Rcpp::List::create(Rcpp::Named("id") = static_cast<double>(id), Rcpp::Named("data") = data);
  });
}

// Waits until fewer than `count` forks are left.
// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_await_fewer_forks(SEXP engine, SEXP count) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& target = doors::get_engine(engine);
    const auto most = static_cast<size_t>(Rf_asInteger(count));
    while (target.worker_infos().size() >= most) await_change(target);
    return R_NilValue;
  });
}

// Forks a worker for the job. The child never returns.
// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_fork_worker(SEXP engine, SEXP id, SEXP limit, SEXP functions, SEXP context, SEXP x, SEXP data) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& target = doors::get_engine(engine);
    await_room(target, static_cast<unsigned>(Rf_asInteger(limit)));
    worker::ForkedJob job{context, x, std::nullopt, std::nullopt, ::getpid()};
    if (data != R_NilValue) {
      job.data = *JobDataPointer(data);
      job.table = target.share_table(job_id(id));
    }
    if (auto fds = target.fork_worker(job_id(id)))
      worker::run_forked_worker(std::move(*fds), functions, std::move(job));
    return R_NilValue;
  });
}

// NA: the job wants another fork first.
// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_answered(SEXP engine, SEXP id, SEXP timeout, SEXP relay) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& target = doors::get_engine(engine);
    const auto deadline = base::Deadline::in_seconds(Rf_asReal(timeout));
    for (;;) {
      relay_immediates(target, job_id(id), relay);
      if (target.answered(job_id(id), 0)) return Rf_ScalarLogical(1);
      if (target.wants_fork(job_id(id))) return Rf_ScalarLogical(NA_LOGICAL);
      if (deadline.passed()) return Rf_ScalarLogical(0);
      if (rbridge::wait_a_step({target.ready_fd(), -1, 0, deadline}).fd) target.drain_ready();
    }
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_collect(SEXP engine, SEXP id, SEXP relay) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& target = doors::get_engine(engine);
    const auto answer = await(target, job_id(id), 0, relay);
    if (!answer) return wants_fork(0);
    target.forget(job_id(id));
    const Rcpp::Shield<SEXP> content(content_of(*answer));
    return describe_answer(*answer, 0, content);
  });
}

// Where the values of a map go: a list, TRUE for each that is there, the order in which they are asked for or NULL.
struct Collected {
  SEXP results, done, order;
};

// Values that are there from a position on are put in place together: to guard each by itself takes longer than to read
// it. Returns the next position. One that R must look at is left where it is.
R_xlen_t put_values(engine::Engine& engine, uint64_t id, const Collected& into, R_xlen_t position, R_xlen_t until) {
  constexpr R_xlen_t kMost = 4096;
  const auto end = static_cast<uint64_t>(std::min(until, position + kMost));
  const int* const elements = into.order == R_NilValue ? nullptr : INTEGER_RO(into.order);
  const SEXP results = into.results;
  const SEXP done = into.done;
  std::vector<wire::Answer> taken = engine.take_values(id, elements, static_cast<uint64_t>(position), end);
  size_t used = 0;
  size_t* const count = &used;
  const base::ScopeGuard rest([&, count] {
    for (size_t k = *count; k < taken.size(); ++k) engine.give_back(id, std::move(taken[k]));
  });
  const wire::Answer* const answers = taken.data();
  const size_t size = taken.size();
  rbridge::guarded([answers, count, size, results, done] {
    for (; *count < size; ++*count) {
      const wire::Answer& answer = answers[*count];
      know_segments(answer);
      const SEXP value = rbridge::unserialize(answer.bytes.data(), answer.bytes.size());
      if (is_reference(value)) return;
      SET_VECTOR_ELT(results, static_cast<R_xlen_t>(answer.element), value);
      LOGICAL(done)[answer.element] = 1;
    }
  });
  return position + static_cast<R_xlen_t>(used);
}

// Puts values into `results` from position `from` (counted from 1) of `order` (NULL: element order) on, until
// one that R must look at; that one is returned (its value is in `results` too), or NULL at the end. `done` gets TRUE
// for each that was put there and passed: R does not learn how far this came when it is interrupted. `until`: the last
// position, for who wants to hear of the progress.
// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_collect_map(SEXP engine, SEXP id, SEXP results, SEXP done, SEXP from, SEXP until, SEXP order,
                            SEXP relay) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& target = doors::get_engine(engine);
    const R_xlen_t end = std::min(Rf_xlength(results), static_cast<R_xlen_t>(Rf_asReal(until)));
    for (auto position = static_cast<R_xlen_t>(Rf_asReal(from)) - 1; position < end; ++position) {
      position = put_values(target, job_id(id), {results, done, order}, position, end);
      if (position == end) break;
      const R_xlen_t i = order == R_NilValue ? position : INTEGER_ELT(order, position) - 1;
      const auto taken = await(target, job_id(id), static_cast<uint64_t>(i), relay);
      if (!taken) return wants_fork(position);
      const wire::Answer& answer = *taken;
      const Rcpp::Shield<SEXP> content(content_of(answer));
      if (answer.kind == wire::AnswerKind::kValue) {
        SET_VECTOR_ELT(results, i, content);
        if (!is_reference(content)) {
          LOGICAL(done)[i] = 1;
          continue;
        }
      }
      if (answer.kind == wire::AnswerKind::kRecord) SET_VECTOR_ELT(results, i, VECTOR_ELT(content, 0));
      return describe_answer(answer, position, content);
    }
    return R_NilValue;
  });
}

// What is there of a map that is given up: puts values that have not been collected into `results`, and TRUE into
// `done`.
// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_take_finished(SEXP engine, SEXP id, SEXP results, SEXP done) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& target = doors::get_engine(engine);
    for (R_xlen_t i = 0; i < Rf_xlength(results); ++i) {
      const auto answer = target.take_finished(job_id(id), static_cast<uint64_t>(i));
      if (!answer || answer->kind > wire::AnswerKind::kRecord) continue;
      const Rcpp::Shield<SEXP> content(content_of(*answer));
      const bool record = answer->kind == wire::AnswerKind::kRecord;
      if (record && VECTOR_ELT(content, 4) != R_NilValue) continue;  // its error
      SET_VECTOR_ELT(results, i, record ? VECTOR_ELT(content, 0) : static_cast<SEXP>(content));
      LOGICAL(done)[i] = 1;
    }
    return R_NilValue;
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_cancel(SEXP engine, SEXP id, SEXP interrupt, SEXP forget) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& target = doors::get_engine(engine);
    target.cancel(job_id(id), 0, Rf_asLogical(interrupt) == 1);
    if (Rf_asLogical(forget) == 1) target.forget(job_id(id));
    return R_NilValue;
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_resize(SEXP engine, SEXP workers, SEXP threads) {
  return rbridge::door([&]() -> SEXP {
    doors::get_engine(engine).resize(static_cast<unsigned>(Rf_asInteger(workers)),
                                     static_cast<unsigned>(Rf_asInteger(threads)));
    return R_NilValue;
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_free_workers(SEXP engine) {
  return rbridge::door(
      [&]() -> SEXP { return Rf_ScalarInteger(static_cast<int>(doors::get_engine(engine).free_workers())); });
}

// Those of nodes as they were last told of; `node` is 0 and `host` empty for those of this machine.
// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_workers(SEXP engine) {
  return rbridge::door([&]() -> SEXP {
    std::vector<int> id, pid, node;
    std::vector<std::string> state, host;
    std::vector<double> answers;
    for (const auto& info : doors::get_engine(engine).worker_infos()) {
      id.push_back(static_cast<int>(info.id));
      pid.push_back(info.pid);
      state.emplace_back(info.state);
      answers.push_back(static_cast<double>(info.answers));
      host.push_back(info.host);
      node.push_back(static_cast<int>(info.node));
    }
    return Rcpp::DataFrame::create(Rcpp::Named("id") = id, Rcpp::Named("pid") = pid, Rcpp::Named("state") = state,
                                   Rcpp::Named("answers") = answers, Rcpp::Named("host") = host,
                                   Rcpp::Named("node") = node);
  });
}

// Bytes in use by processes of this machine; NA where the system does not say.
// [[Rcpp::export(rng = false)]]
SEXP cpp_resident_memory(Rcpp::IntegerVector pids) {
  return rbridge::door([&]() -> SEXP {
    Rcpp::NumericVector bytes(pids.size(), NA_REAL);
    for (R_xlen_t i = 0; i < pids.size(); ++i)
      if (const auto used = sys::resident_memory(pids[i])) bytes[i] = static_cast<double>(*used);
    return bytes;
  });
}

// TRUE in a process that was forked from the one which started the engine.
// [[Rcpp::export(rng = false)]]
SEXP cpp_engine_dead(SEXP engine) {
  return rbridge::door([&]() -> SEXP { return Rf_ScalarLogical(doors::get_engine(engine).dead() ? 1 : 0); });
}

// The bytes of R's serialize(version = 3, xdr = FALSE), made by our own writer where it can (for tests).
// [[Rcpp::export(rng = false)]]
SEXP cpp_serialize(SEXP object) {
  return rbridge::door([&]() -> SEXP {
    base::Bytes bytes;
    serialize_guarded(object, bytes);
    return Rcpp::wrap(bytes);
  });
}

// The object that the bytes stand for, read by our own reader where it can (for tests).
// [[Rcpp::export(rng = false)]]
SEXP cpp_unserialize(SEXP bytes) {
  return rbridge::door(
      [&] { return unserialize_guarded(base::SharedBytes::copy(RAW(bytes), static_cast<size_t>(XLENGTH(bytes)))); });
}
