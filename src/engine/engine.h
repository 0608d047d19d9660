#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/job.h"
#include "engine/node_link.h"
#include "engine/template_server.h"
#include "engine/worker_link.h"
#include "shm/task_table.h"
#include "sys/fork_guard.h"
#include "sys/poller.h"
#include "sys/process.h"

namespace avenir::engine {

struct EngineOptions {
  unsigned workers = 1;
  unsigned threads = 1;  // of BLAS and OpenMP, in each worker
  // How to start R; the engine adds the descriptors and the mode ("template" or "worker") as the last
  // argument.
  sys::SpawnSpec r;
  std::string temp_folder;     // removed by whoever of us ends last
  double start_timeout = 60;   // seconds until the first word of a template or a worker
  double interrupt_grace = 2;  // seconds from an interrupt to the kill
  uint64_t memory_limit = 0;   // bytes; a worker that has grown past them is replaced between two evaluations; 0: none
  bool forks = false;          // no template: the R thread forks a worker for each job; `workers` run at a time
  // A node's: answers go to the companion as they come, and nobody asks for them; the template starts before there are
  // workers.
  bool hands_over = false;
  std::string host;  // for messages, where it is not the session's

  // Of an engine that nodes may join:
  bool nodes = false;
  wire::NodeWelcome welcome;  // what they are told
  wire::NodeHello hello;      // what they must have in common with the session
};

struct WorkerInfo {
  uint32_t id;
  pid_t pid;
  const char* state;
  uint64_t answers;
  std::string host;   // empty: the session's
  uint32_t node = 0;  // 0: none
  WorkerLink::State code = WorkerLink::State::kIdle;
  uint64_t memory = 0;  // bytes in use, of a node's; 0: not known
};

struct NodeInfo {
  uint32_t id;
  std::string identity, host;
  pid_t pid;
  const char* state;
  unsigned workers;
  uint64_t answers, memory;
  std::string reason;
};

struct LaunchInfo {
  uint32_t id;
  std::string group;
  pid_t pid;
  bool running;
  sys::ExitStatus exit;
  std::string output;
};

class ClusterPort;

// Somebody else who lives on the engine's I/O thread, beside a descriptor of its own.
class Companion {
 public:
  virtual ~Companion() = default;
  virtual int fd() const = 0;
  virtual bool wants_write() const = 0;
  // Its descriptor is not to be waited for any more.
  virtual bool is_over() const = 0;
  // Called after each turn of the engine, whose mutex is free; the engine's public functions may be called. Returns
  // when to be called again at the latest.
  virtual base::Deadline turn(bool readable) = 0;
  // After a fork, in the child.
  virtual void abandon() = 0;
};

// Queues jobs, feeds workers, receives answers, replaces workers that die.
//
// Threads: the R thread calls the public functions; one I/O thread of ours waits for descriptors. All state
// is under one mutex that is never held while anything blocks or R code runs. The I/O thread makes no system
// call while nothing happens, and blocks all signals.
//
// A job is known by its id until forget(); answers to forgotten jobs are dropped. Every element gets exactly
// one answer, be it a value, a record, or the engine's own word that its worker was lost.
//
// After a fork made by anybody the child's copy is dead: its descriptors are closed, every call throws
// (kUnsupported).
class Engine final : private sys::ForkAware {
 public:
  // Starts the template process and asks it for the workers; waits for nothing. Throws when R cannot be
  // started at all.
  explicit Engine(EngineOptions options);
  // Ends the workers and waits until they are gone (killed after half a second).
  ~Engine();

  // `segments`: those that the bytes refer to, sent to each worker that has them not yet.
  uint64_t submit_task(base::SharedBytes payload, JobPolicy policy = {}, shm::Segments segments = {});
  // The same bytes in a sealed memory file.
  uint64_t submit_task(sys::OwnFd payload, uint64_t size, JobPolicy policy, shm::Segments segments);
  uint64_t submit_map(shm::TaskTable table, sys::OwnFd data, std::vector<uint64_t> element_of, JobPolicy policy = {},
                      shm::Segments segments = {}, MapContext context = {});

  // With `forks`: a job that waits for the workers forked for it.
  uint64_t new_task(JobPolicy policy = {});
  uint64_t new_map(shm::TaskTable table, std::vector<uint64_t> element_of, JobPolicy policy = {});
  // Forks a worker for the job, on the R thread. In the parent: nothing, the worker begins when there is a
  // free slot. In the child: its descriptors; all that is left to do there is to run it. Throws kOverloaded
  // when the system refuses.
  std::optional<WorkerFds> fork_worker(uint64_t job);
  // True when a worker forked for the job was lost and its work is still to be done. take() waits for that too.
  bool wants_fork(uint64_t job);
  // True then, or when only the scheduler that was asked for nodes knows whether one will ever come.
  bool wants_help(uint64_t job);
  unsigned unfinished_forks();
  // ready_fd() becomes readable when something has happened to a fork.
  void await_end_of_fork();
  // A table of the map's for a worker about to be forked.
  shm::TaskTable share_table(uint64_t job);

  // The answer when it is there. Else the R thread is taken to wait for it: ready_fd() becomes readable when
  // there is something to take, here or among the job's immediate conditions.
  std::optional<wire::Answer> take(uint64_t job, uint64_t element);
  // The plain values that are there from a position on, up to the first that is not, or is something else. `order`: the
  // element of each position, counted from 1; nullptr: the same.
  std::vector<wire::Answer> take_values(uint64_t job, const int* order, uint64_t position, uint64_t end);
  // What was taken and could not be used yet.
  void give_back(uint64_t job, wire::Answer answer);
  std::optional<base::SharedBytes> take_immediate(uint64_t job);
  // The answer if it is there and has not been taken.
  std::optional<wire::Answer> take_finished(uint64_t job, uint64_t element);
  bool answered(uint64_t job, uint64_t element);
  int ready_fd() const { return ready_.fd(); }

  // The R thread reads the socket of the worker that has this task itself, while it waits for it: that saves the I/O
  // thread's wake-up and one more. `fd` -1: no worker has it. `spin`: there is a core that nobody else needs.
  struct DirectLine {
    uint32_t worker = 0;
    int fd = -1;
    bool spin = false;
    bool to_node = false;
  };
  DirectLine open_line(uint64_t job);
  void receive(const DirectLine& line);
  void close_line(const DirectLine& line);
  void drain_ready() { ready_.drain(); }

  // Positions of a map from `from` on that have not been started never will be (0: all; also for a future).
  // With `interrupt`, those that run are interrupted, and their workers killed when they do not end within
  // the grace.
  void cancel(uint64_t job, uint64_t from, bool interrupt);
  void forget(uint64_t job);

  // Why there are fewer workers than wanted, once, when that has come about; empty otherwise.
  std::string take_shortage();

  // How many workers there are to be, from now on. More start at once; of those that are too many the idle ones end,
  // the others when their job is done.
  void resize(unsigned workers, unsigned threads);
  unsigned workers() const { return wanted_; }  // here
  unsigned free_workers();
  std::vector<WorkerInfo> worker_infos();
  bool dead() const { return dead_; }

  // ---- nodes: machines that have workers of their own (wire/node_message.h)

  // One that has proved itself. Any thread.
  void add_node(const std::string& identity, std::unique_ptr<sys::ByteStream> stream);
  // Kept by the engine, and gone before anything else of it.
  void set_port(std::shared_ptr<ClusterPort> port) { port_ = std::move(port); }
  ClusterPort* port() const { return port_.get(); }
  // It finishes what it has; false when there is no such node.
  bool remove_node(uint32_t id);
  bool has_joined_nodes();
  std::vector<NodeInfo> node_infos();
  // Nodes of a group may still come, or will not. A job that nobody can do waits as long as somebody may come.
  void open_group(const std::string& group);
  void close_group(const std::string& group);
  // Starts a local program that brings nodes (of `group`, which closes when the program has ended; empty: of any), with
  // `input` as its standard input. It ends with the engine.
  uint32_t launch(sys::SpawnSpec program, const std::string& input, const std::string& group);
  std::vector<LaunchInfo> launch_infos();

  // ---- for the engine of a node

  void set_companion(std::unique_ptr<Companion> companion);
  // Any thread: gives it a turn.
  void turn_companion() { wake_.wake(); }
  struct News {
    uint64_t job;
    std::optional<wire::Answer> answer;
    base::SharedBytes immediate;
  };
  // What has come since the last time.
  std::vector<News> take_news();
  // The first position of a map that will not be begun any more; the number of positions when all will.
  uint64_t stopped_from(uint64_t job);
  void drop_context(uint64_t map);
  void configure(const wire::NodeWelcome& limits);
  // Workers and nodes' workers that a map can be done by.
  unsigned capacity();

 private:
  struct Template;
  struct Launch;

  void run();
  struct Turn {
    base::Deadline next;
    Companion* companion;
    bool last;
  };
  Turn run_turn(const std::vector<sys::Poller::Event>& events);
  base::Deadline run_companion(Companion& companion, const std::vector<sys::Poller::Event>& events);
  void handle_event(const sys::Poller::Event& event);
  void handle_deadlines();
  void break_down(const std::string& reason);
  base::Deadline next_deadline();

  void start_template();
  void spawn_template(Template& starting) const;
  void template_failed(const std::string& reason);
  void receive_from_template();
  void handle_template_frame(wire::Frame& frame);
  void flush_template();
  void reap_template();

  void add_worker();
  void start_worker_directly(WorkerLink& worker, std::vector<wire::SharedFd> fds);
  void add_missing_workers();
  void drop_worker(uint32_t id);
  void watch_worker(const WorkerLink& worker);
  void worker_start_failed(const std::string& reason, unsigned round);
  bool one_is_starting() const;
  void adopt_process(WorkerLink& worker, pid_t pid, sys::OwnFd pidfd);
  sys::IoStatus drain_worker(WorkerLink& worker);
  void receive_from_worker(WorkerLink& worker);
  void handle_worker_frame(WorkerLink& worker, wire::Frame& frame);
  void count_answer(WorkerLink& worker);
  void worker_died(WorkerLink& worker, const std::string& start_failure);
  std::string describe_start_failure(const WorkerLink& worker, const std::string& reason) const;
  void reap_own_child(WorkerLink& worker);
  void tell_losses(WorkerLink& worker);
  void bury_worker(WorkerLink& worker);
  void flush_worker(WorkerLink& worker);
  void interrupt_worker(WorkerLink& worker, uint64_t from);
  bool runs_uncancelled(const WorkerLink& worker);
  void handle_worker_deadlines(WorkerLink& worker);
  void grace_is_over(WorkerLink& worker);
  void reap_later(WorkerLink& worker);
  void end_worker(WorkerLink& worker);
  void replace_late(WorkerLink& worker);
  void watch_time(WorkerLink& worker, const Job& job);
  void look_at_time(WorkerLink& worker);
  void end_at_limit(WorkerLink& worker, const Job& job, uint64_t position);
  void job_done(WorkerLink& worker, Job* job);
  void give_up_place(WorkerLink& worker);
  void begin_dying(WorkerLink& worker);
  void retire(WorkerLink& worker);
  void leaves_for_memory(WorkerLink& worker, Job* job);
  unsigned places_taken() const;

  void start_parked();
  void cancel_parked(Job& job);
  unsigned forks_of(const Job& job) const;
  bool lacks_workers(const Job& job) const;

  void dispatch();
  bool feed(WorkerLink& worker);
  bool has_had_its_turn(const WorkerLink& worker);
  void note_collected(uint64_t task);
  bool others_come();
  void give_task(WorkerLink& worker, Job& job);
  void give_map(WorkerLink& worker, Job& job);
  void send_segments(WorkerLink& worker, const Job& job);
  void drop_gone_segments();
  void receive_segment(WorkerLink& worker, wire::Frame& frame);
  void end_leases(WorkerLink& worker, const wire::Frame& frame);
  void open_line_to_node(uint64_t job, DirectLine& line);
  static uint64_t token_of(const DirectLine& line);
  void handle_node_event(const sys::Poller::Event& event);
  void receive_from_node(NodeLink& node);
  base::Deadline next_node_deadline() const;
  void handle_node_frame(NodeLink& node, wire::Frame& frame);
  void greet(NodeLink& node, const wire::NodeHello& hello);
  void take_node_answers(NodeLink& node, wire::Frame& frame);
  void take_node_answer(NodeLink& node, NodeWork& work, wire::NodeAnswer& answer, base::SharedBytes bytes,
                        shm::Segments segments);
  shm::SharedSegment arrived_segment(NodeLink& node, wire::ThingId id);
  void stop_map(const NodeWork& work, uint64_t element);
  void flush_node(NodeLink& node);
  void bury_nodes();
  void lose_node(std::unique_ptr<NodeLink> node);
  void lose_work(const NodeLink& node, NodeWork& work);
  void lose_node_position(const NodeLink& node, Job& job, uint64_t position);
  void end_earlier_attempts(const std::string& identity);
  void handle_node_deadlines();
  void say_goodbye_to_nodes();
  void tell_nodes_to_cancel(const Job& job, uint64_t from, bool interrupt);
  void tell_nodes_to_forget(const Job& job);
  void drop_gone_segments_of(NodeLink& node);
  bool has_nodes(const Job& job) const;
  unsigned total_places() const;
  unsigned busy_on_nodes() const;

  void feed_nodes();
  NodeLink* freest_node();
  void give_node_task(NodeLink& node, Job& job);
  bool give_node_map(NodeLink& node, Job& job);
  NodeMap& node_map(NodeLink& node, Job& job);
  void claim_for(NodeLink& node, Job& job, NodeMap& map, uint64_t units);
  void give_positions(NodeLink& node, Job& job, NodeMap& map, std::vector<uint64_t> positions,
                      const std::vector<uint64_t>& bounds);
  void give_batch(NodeLink& node, Job& job, NodeMap& map, std::vector<uint64_t> positions,
                  std::vector<uint64_t> bounds);
  std::vector<wire::ThingId> send_segments(NodeLink& node, const Job& job);

  bool expects_nodes() const;
  bool depends_on_scheduler() const;
  base::Deadline look_at_launches();
  void fail_when_nobody_can_come();
  std::string why_nobody_came() const;
  void launch_ended(uint32_t id);
  void end_launches();
  bool is_over(const Job& job, const std::vector<wire::LostMessage>& losses) const;

  void enqueue(Job& job, bool in_front);
  void leave_map(Job& job);
  void take_unsent(WorkerLink& worker);
  void lose_task(const WorkerLink& worker, Job& job);
  void lose_elements(const WorkerLink& worker, Job& job);
  bool lose_position(const WorkerLink& worker, Job& job, uint64_t position);
  void lose_all(const WorkerLink& worker, Job& job);
  void unclaim(const WorkerLink& worker, Job& job);
  bool gives_up(const WorkerLink& worker, Job& job, uint64_t element);
  void fill_lost(Job& job, uint64_t element);
  void fail_queue(const std::string& reason);
  void find_cause(WorkerLink& worker);
  wire::LostMessage lost_message(const WorkerLink& worker, uint64_t element) const;

  uint64_t submit(Job job, uint64_t elements, JobPolicy policy, shm::Segments segments);
  uint64_t add_job(Job job);
  Job* find(uint64_t id);
  Job& checked(uint64_t id);
  void check_alive() const;
  void notify();

  void before_fork() override { mutex_.lock(); }
  void after_fork_in_parent() override { mutex_.unlock(); }
  void after_fork_in_child() override;

  EngineOptions options_;
  unsigned wanted_, threads_;  // workers, and of each; written by the R thread
  const unsigned cores_ = sys::usable_cores();
  std::mutex mutex_;
  sys::Poller poller_;
  sys::WakeUp wake_, ready_;
  std::map<uint64_t, Job> jobs_;
  std::deque<uint64_t> queue_;
  std::map<uint32_t, std::unique_ptr<WorkerLink>> workers_;
  std::shared_ptr<ClusterPort> port_;  // the R thread's
  std::map<uint32_t, std::unique_ptr<NodeLink>> nodes_;
  std::vector<NodeEnd> ended_nodes_;  // the last ones
  std::set<std::string> open_groups_;
  std::map<uint32_t, std::unique_ptr<Launch>> launches_;
  uint64_t next_work_ = 1;
  uint32_t next_launch_ = 1;
  std::unique_ptr<Companion> companion_;
  bool companion_writes_ = false, companion_over_ = false;  // the I/O thread's
  std::deque<JobNews> news_;
  std::unique_ptr<Template> template_;
  bool start_directly_ = false;           // no template: it could not fork, or never said hello
  unsigned start_failures_ = 0;           // in a row
  unsigned start_round_ = 0;              // grows with each failure: those that were started together count as one
  unsigned failed_rounds_ = 0;            // in a row, whatever those that are there have answered meanwhile
  std::optional<uint64_t> memory_kills_;  // of the system's, when last looked at
  uint64_t next_job_ = 1;
  uint32_t next_worker_ = 1;
  base::Deadline others_due_ = base::Deadline::never();  // until then futures wait for workers that start
  uint64_t awaited_job_ = 0, awaited_element_ = 0;
  bool fork_awaited_ = false;
  bool stopping_ = false;
  std::string broken_, shortage_;
  bool dead_ = false;
  std::unique_ptr<std::thread> thread_;
};

}  // namespace avenir::engine
