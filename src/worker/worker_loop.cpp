#include "worker/worker_loop.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "engine/worker_port.h"
#include "rbridge/output_connection.h"
#include "rbridge/serialize.h"
#include "rbridge/unwind.h"
#include "shm/job_data.h"
#include "shm/region.h"
#include "shm/segment_store.h"
#include "shm/task_table.h"
#include "sys/library_threads.h"
#include "sys/process.h"
#include "worker/elements.h"
#include "worker/ending.h"
#include "worker/evaluation.h"
#include "worker/worker_state.h"

namespace avenir::worker {

namespace {

using Clock = std::chrono::steady_clock;
using engine::Interruption;

// Adaptive claims: about this long, and never more than half of a fair share of what is left.
constexpr double kClaimSeconds = 1e-3;

// A collection takes about as long as a worker's start.
constexpr uint64_t kMostDropped = 32, kMostDroppedBytes = 256 << 20;
constexpr uint64_t kPatience = 4;  // times as much, and it is done while jobs wait
constexpr double kQuietSeconds = 0.02;

constexpr auto kMemoryLooks = std::chrono::milliseconds(2);

// How many units to claim next, from the time that the last ones took.
class ClaimSize {
 public:
  explicit ClaimSize(const shm::TaskTable& table) : table_(table) {}

  uint64_t next() const {
    const uint64_t fair = table_.units_left() / (2 * std::max<uint64_t>(1, table_.workers()));
    return std::clamp<uint64_t>(std::min(wanted_, fair), 1, uint64_t{1} << 20);
  }
  void took(uint64_t units, double seconds) {
    const double each = seconds / static_cast<double>(units);
    const double fitting = each > 0 ? kClaimSeconds / each : 1e6;
    wanted_ =
        static_cast<uint64_t>(std::clamp(fitting, 1.0, 4.0 * static_cast<double>(std::max<uint64_t>(wanted_, 1))));
  }

 private:
  const shm::TaskTable& table_;
  uint64_t wanted_ = 1;
};

// Unserializes; false when R raised an error.
bool read(const base::SharedBytes& bytes, SEXP token, SEXP& value) {
  SEXP* const target = &value;
  const uint8_t* const at = bytes.data();
  const size_t size = bytes.size();
  return rbridge::stops_jumps([target, at, size] { *target = rbridge::unserialize(at, size); }, token);
}

// The elements of a map as R objects, and the stream of each.
class Elements {
 public:
  // `known`: the whole vector where this process has it already. `shared`: what all pieces of the map have; the data
  // themselves when it is in one piece.
  Elements(const shm::JobData& data, const shm::JobData& shared, SEXP known)
      : data_(data), shared_(shared), whole_(known) {
    if (const auto stream = shared.stream()) streams_.emplace(stream->data());
  }

  // One element; guarded by itself. False when it cannot be read. The value is not protected.
  bool get(uint64_t index, SEXP token, SEXP& value) {
    if (data_.mode() == shm::ElementMode::kWhole) {
      const uint64_t number = data_.number_of(index);
      if (number >= shared_.count())
        throw base::Error(base::ErrorKind::kDisconnected, "an element lies outside its map");
      value = vector_element(whole_.get(), static_cast<R_xlen_t>(number));
      return true;
    }
    return read(data_.element(index), token, value);
  }

  // The whole vector, where there is one, to be kept. False when it cannot be read.
  bool load_whole(SEXP token) {
    if (data_.mode() == shm::ElementMode::kEach || whole_.get() != R_NilValue) return true;
    SEXP whole = R_NilValue;
    if (!read(shared_.whole(), token, whole)) return false;
    whole_.reset(whole);
    return static_cast<uint64_t>(Rf_xlength(whole)) >= shared_.count();
  }
  SEXP whole() const { return whole_.get(); }

  void install_stream(uint64_t index) {
    if (streams_) streams_->install(data_.number_of(index));
  }

 private:
  const shm::JobData& data_;
  const shm::JobData& shared_;
  rbridge::Preserved whole_;
  std::optional<Streams> streams_;
};

class Loop {
 public:
  Loop(engine::WorkerPort& port, SEXP functions) : port_(port), functions_(functions), evaluator_(functions) {
    token_ = R_MakeUnwindCont();
    R_PreserveObject(token_);
    evaluator_.set_immediate_sink(
        [](void* self, const base::Bytes& bytes) { static_cast<Loop*>(self)->send_immediate(bytes); }, this);
  }

  [[noreturn]] void run() {
    tell_when_r_quits(port_);
    threads_ = own_number(Rf_lang1(Rf_install("given_threads")));
    state_.take();
    wire::Frame frame;
    while (port_.receive(frame)) {
      if (frame.header.type == wire::FrameType::kDropContext) drop_kept(base::ByteReader(frame.body).get<uint64_t>());
      if (frame.header.type == wire::FrameType::kDropSegments || frame.header.type == wire::FrameType::kDropContext) {
        collect_dropped();
        continue;
      }
      job_ = frame.header.id;
      adopt_threads();
      if (frame.header.type == wire::FrameType::kTask) run_task(frame);
      if (frame.header.type == wire::FrameType::kMap) run_map(frame);
      port_.flush();
      context_.reset(R_NilValue);
      frame = wire::Frame();
      clean_up();
      leave_if_too_large();
      port_.say_idle(job_);
      collect_dropped();
    }
    port_.await_end();
  }

  void start_fork(SEXP context, int threads) {
    leave_session_alone(port_, token_);
    evaluator_.set_job(context);  // takes descriptor 1
    const SEXP output = PROTECT(rbridge::open_output_connection());
    const SEXP count = PROTECT(Rf_ScalarInteger(threads));
    const SEXP call = PROTECT(Rf_lang4(Rf_install("start_fork"), context, output, count));
    Rf_eval(call, functions_);
    UNPROTECT(3);
  }

  // One job that this process, forked for it, knows already. Waits for its turn.
  [[noreturn]] void run_forked(ForkedJob& job) {
    wire::Frame frame;
    if (!port_.receive(frame)) port_.await_end();
    job_ = frame.header.id;
    const bool opened = open_context(job.context);
    if (job.table) {
      Elements elements(*job.data, *job.data, job.elements);
      work_on_map(*job.table, *job.data, elements, frame.body, opened);
      close_sinks();
    } else {
      sinks_are_ours_ = true;
      answer_task(opened);
    }
    port_.say_idle(job_);
    port_.leave_process(0);
  }

  Evaluator& evaluator() { return evaluator_; }

 private:
  // The session has its answers by now: this is not in anyone's way.
  void clean_up() {
    call_own("end_job", R_NilValue);
    state_.restore_blas();
    const WorkerState::Changes changes = state_.changes();
    if (!changes.any()) return;
    call_own("finish_job", R_NilValue);
    if (changes.options) restore_options();
    if (changes.environment) state_.restore_environment();
    state_.take();
  }

  void restore_options() {
    const SEXP call = PROTECT(state_.options_call());
    evaluator_.prepare(call, R_BaseEnv);
    UNPROTECT(1);
  }

  // Calls one of worker.R's functions; an error of it is kept by the evaluator.
  bool call_own(const char* name, SEXP argument) {
    const SEXP call =
        PROTECT(argument == R_NilValue ? Rf_lang1(Rf_install(name)) : Rf_lang2(Rf_install(name), argument));
    const bool done = evaluator_.prepare(call, functions_);
    UNPROTECT(1);
    return done;
  }

  // What a call of one of them gives that raises no error.
  int own_number(SEXP call) {
    PROTECT(call);
    const int number = Rf_asInteger(Rf_eval(call, functions_));
    UNPROTECT(1);
    return number;
  }

  // Unserializes the job's context and makes its packages, globals and options ready. False: the evaluator
  // has the error.
  bool open_job(const base::SharedBytes& bytes) {
    SEXP context = R_NilValue;
    if (!read(bytes, token_, context)) {
      call_own("unreadable_job", R_NilValue);
      return false;
    }
    return open_context(context);
  }

  bool open_context(SEXP context) {
    context_.reset(context);
    evaluator_.set_job(context);
    timed_ = own_number(Rf_lang2(Rf_install("is_timed"), context)) == 1;
    const bool opened = call_own("open_job", context);
    evaluator_.note_surroundings();
    return opened;
  }

  void send_result(uint64_t element, Interruption interrupted, bool value_has_visible) {
    bytes_.clear();
    const Outcome outcome = evaluator_.result(interrupted, value_has_visible, bytes_);
    const auto kind = outcome == Outcome::kPlain ? wire::AnswerKind::kValue : wire::AnswerKind::kRecord;
    port_.answer(job_, element, kind, bytes_.data(), bytes_.size(), follows_, evaluator_.take_segments());
  }

  void send_immediate(const base::Bytes& bytes) { port_.send_immediate(job_, bytes.data(), bytes.size()); }

  // Views of what the session has dropped may be garbage by now, and keep its memory until they are collected.
  void collect_dropped() {
    shm::SegmentStore& store = shm::SegmentStore::process();
    const auto dropped = store.dropped();
    if (!is_much(dropped, 1)) return;
    if (!is_much(dropped, kPatience) && !port_.is_quiet(kQuietSeconds)) return;  // a job comes first
    store.take_dropped();
    if (store.viewed() > 0) R_gc();
  }

  static bool is_much(const shm::SegmentStore::Use& dropped, uint64_t times) {
    return dropped.segments >= times * kMostDropped || dropped.bytes >= times * kMostDroppedBytes;
  }

  void adopt_threads() {
    if (std::exchange(threads_, port_.threads()) == port_.threads()) return;
    sys::limit_library_threads(threads_);
    const rbridge::Preserved threads(Rf_ScalarInteger(threads_));
    call_own("own_threads", threads.get());
    state_.take();
  }

  // What a job has left behind may be garbage only.
  void leave_if_too_large() {
    if (!port_.over_memory_limit()) return;
    R_gc();
    if (port_.over_memory_limit()) port_.leave_for_memory(job_);
  }

  // Evaluates between the port's gates and sends the result. False when it failed.
  bool evaluate(SEXP call, SEXP environment, uint64_t position, uint64_t element, bool value_has_visible) {
    if (!port_.enter(job_, position, timed_)) {
      call_own("interrupted_job", R_NilValue);
      send_result(element, Interruption::kInterrupt, false);
      return false;
    }
    evaluator_.evaluate(call, environment);
    const Interruption interrupted = port_.leave();
    if (sinks_are_ours_) close_sinks();
    if (interrupted != Interruption::kNone) drop_pending_interrupt();
    const bool failed = evaluator_.failed();
    send_result(element, interrupted, value_has_visible);
    return !failed;
  }

  // Nothing else does that in a fork, which leaves without R's own clean-up. The code may have closed all connections.
  void close_sinks() {
    const SEXP call = PROTECT(Rf_lang1(Rf_install("close_sinks")));
    int failed;
    R_tryEvalSilent(call, functions_, &failed);
    UNPROTECT(1);
  }

  // R may have noted a SIGINT that it has not acted on yet.
  void drop_pending_interrupt() {
    rbridge::stops_jumps([] { R_CheckUserInterrupt(); }, token_);
  }

  void run_task(wire::Frame& frame) {
    base::SharedBytes payload = frame.body;
    if (!frame.fds.empty()) payload = shm::attach(frame.fds.front(), base::ByteReader(frame.body).get<uint64_t>());
    answer_task(open_job(payload));
  }

  void answer_task(bool opened) {
    follows_ = engine::Follows::kNothing;
    if (!opened) return send_result(0, Interruption::kNone, false);
    const rbridge::Preserved call(evaluator_.value());  // open_job() returns the call
    evaluate(call.get(), R_GlobalEnv, 0, 0, true);
  }

  void run_map(wire::Frame& frame) {
    if (frame.fds.size() < 2) throw base::Error(base::ErrorKind::kDisconnected, "a map without its files");
    shm::TaskTable table = shm::TaskTable::attach(std::move(frame.fds[0]));
    const shm::JobData data = shm::JobData::attach(frame.fds[1]);
    if (frame.fds.size() > 2) return run_piece(table, data, shm::JobData::attach(frame.fds[2]), frame.body);
    Elements elements(data, data, R_NilValue);
    work_on_map(table, data, elements, frame.body, open_job(data.context()));
  }

  // What the pieces of a map share is unserialized for the first that comes, as if they came together.
  void run_piece(shm::TaskTable& table, const shm::JobData& data, const shm::JobData& shared,
                 const base::SharedBytes& message) {
    if (kept_map_ != data.map()) drop_kept(kept_map_);
    const bool known = kept_map_ == data.map() && kept_map_ != 0;
    Elements elements(data, shared, kept_whole_.get());
    const bool opened = known ? open_context(kept_context_.get()) : open_job(shared.context());
    work_on_map(table, data, elements, message, opened);
    if (known || !opened) return;
    kept_context_.reset(context_.get());
    kept_whole_.reset(elements.whole());
    kept_map_ = data.map();
  }

  void drop_kept(uint64_t map) {
    if (kept_map_ != map) return;
    kept_map_ = 0;
    kept_context_.reset(R_NilValue);
    kept_whole_.reset(R_NilValue);
  }

  // First the positions that the message names, then what can be claimed. A job that could not be opened is
  // the error of the first element that comes.
  void work_on_map(shm::TaskTable& table, const shm::JobData& data, Elements& elements,
                   const base::SharedBytes& message, bool opened) {
    follows_ = engine::Follows::kMore;
    const bool ready = opened && keep_function() && load_elements(elements);
    const rbridge::Preserved failure(ready ? R_NilValue : evaluator_.error());
    const auto each = [&](uint64_t position) { return run_position(table, data, elements, position, failure.get()); };

    base::ByteReader body(message);
    for (auto left = body.get<uint64_t>(); left > 0; --left) each(body.get<uint64_t>());
    ClaimSize size(table);
    for (;;) {
      const shm::UnitRange units = table.claim(data.explicit_units() ? 1 : size.next());
      if (units.begin == units.end) break;
      const auto before = Clock::now();
      run_units(table, data, units, each);
      size.took(units.end - units.begin, std::chrono::duration<double>(Clock::now() - before).count());
    }
    function_.reset(R_NilValue);
  }

  template <typename Each>
  void run_units(shm::TaskTable& table, const shm::JobData& data, shm::UnitRange units, const Each& each) {
    const uint64_t begin = data.unit(units.begin).first, end = data.unit(units.end - 1).second;
    if (end > table.positions()) throw base::Error(base::ErrorKind::kDisconnected, "a chunk lies outside its map");
    for (uint64_t position = begin; position < end; ++position)
      table.mark(position, shm::kStateClaimed, port_.number());
    for (uint64_t position = begin; position < end; ++position) {
      each(position);
      if (port_.has_memory_limit() && Clock::now() >= next_look_) look_at_memory();
    }
  }

  // To look takes several times as long as a small element.
  void look_at_memory() {
    next_look_ = Clock::now() + kMemoryLooks;
    leave_if_too_large();
  }

  bool keep_function() {
    function_.reset(evaluator_.value());  // open_job() returns the function of one element
    return true;
  }

  bool load_elements(Elements& elements) {
    if (elements.load_whole(token_)) return true;
    call_own("unreadable_job", R_NilValue);
    return false;
  }

  void run_position(shm::TaskTable& table, const shm::JobData& data, Elements& elements, uint64_t position,
                    SEXP failure) {
    const uint64_t element = data.element_at(position);
    if (position >= table.positions() || table.stopped(position)) return;
    table.mark(position, shm::kStateStarted, port_.number());
    const SEXP call =
        PROTECT(failure == R_NilValue ? element_call(elements, element) : Rf_lang2(Rf_install("stop"), failure));
    elements.install_stream(element);
    if (!evaluate(call, functions_, position, element, false) && !table.keep_going()) table.stop_from(position);
    UNPROTECT(1);
  }

  // function_(<element>), with an element that is code or a symbol quoted.
  SEXP element_call(Elements& elements, uint64_t element) {
    SEXP value = R_NilValue;
    if (!elements.get(element, token_, value)) return Rf_lang1(Rf_install("unreadable_job"));
    return call_on(function_.get(), value);
  }

  engine::WorkerPort& port_;
  SEXP functions_;
  SEXP token_;
  Evaluator evaluator_;
  WorkerState state_;
  uint64_t job_ = 0;
  int threads_ = 0;              // that libraries have been told
  bool sinks_are_ours_ = false;  // a fork's one task: what it sinks is in its files before its answer is there
  bool timed_ = false;           // its evaluations have a time limit
  engine::Follows follows_ = engine::Follows::kMore;
  Clock::time_point next_look_ = Clock::time_point::min();  // at the memory that is used
  rbridge::Preserved context_, function_;
  // What the pieces of one map share; of the last map that came in pieces.
  rbridge::Preserved kept_context_, kept_whole_;
  uint64_t kept_map_ = 0;
  base::Bytes bytes_;
};

Loop* running = nullptr;

}  // namespace

namespace {

SEXP handle_condition(SEXP condition) {
  const auto action =
      running == nullptr ? Evaluator::Action::kNothing : running->evaluator().handle_condition(condition);
  return Rf_ScalarInteger(static_cast<int>(action));
}

// Where there are too many processes for a thread, a fork goes on without the watcher: it takes no interrupt (the
// session kills it instead), and the system ends it with the session.
void start_watcher_or_do_without(engine::WorkerPort& port, pid_t session) {
  try {
    port.start_watcher();
  } catch (const std::system_error&) {
    sys::end_with_parent(session);
  }
}

[[noreturn]] void run_in_fork(engine::WorkerFds fds, SEXP functions, ForkedJob& job) {
  try {
    auto* const port = new engine::WorkerPort(std::move(fds), "");
    start_watcher_or_do_without(*port, job.session);
    auto* const loop = new Loop(*port, functions);
    running = loop;
    const int threads = sys::threads_in_fork(port->threads());
    sys::limit_library_threads(threads);
    define_condition_routine(functions);
    loop->start_fork(job.context, threads);
    loop->run_forked(job);
  } catch (const std::exception& error) {
    REprintf("avenir worker: %s\n", error.what());
    sys::exit_at_once(1);
  }
}

}  // namespace

void run_worker(engine::WorkerFds fds, SEXP functions, const std::string& temp_folder) {
  auto* const port = new engine::WorkerPort(std::move(fds), temp_folder);  // lives as long as the process
  port->start_watcher();
  auto* const loop = new Loop(*port, functions);
  running = loop;
  try {
    port->say_hello();
    loop->run();
  } catch (const std::exception& error) {
    REprintf("avenir worker: %s\n", error.what());
    port->leave_process(1);
  }
}

void run_forked_worker(engine::WorkerFds fds, SEXP functions, ForkedJob job) {
  struct Run {
    engine::WorkerFds* fds;
    SEXP functions;
    ForkedJob* job;
  } run{&fds, functions, &job};
  // A top level of its own: no handler, restart or exit of the session's can be reached from here.
  R_ToplevelExec(
      [](void* data) {
        auto* const given = static_cast<Run*>(data);
        run_in_fork(std::move(*given->fds), given->functions, *given->job);
      },
      &run);
  sys::exit_at_once(1);
}

void define_condition_routine(SEXP functions) {
  const SEXP state = PROTECT(Rf_eval(Rf_install("state"), functions));
  const SEXP routine = PROTECT(
      R_MakeExternalPtrFn(reinterpret_cast<DL_FUNC>(handle_condition), Rf_install("native symbol"), R_NilValue));
  Rf_defineVar(Rf_install("handle_condition"), routine, state);
  UNPROTECT(2);
}

}  // namespace avenir::worker
