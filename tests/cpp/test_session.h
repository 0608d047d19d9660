#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "shm/job_data.h"
#include "wire/message.h"

namespace avenir::testing {

// How to start this very program as the fake R.
sys::SpawnSpec fake_spec(const std::string& behaviour, const std::string& folder);

struct MapSpec {
  std::vector<std::string> elements;  // one command each
  std::vector<uint64_t> order;        // element by position; empty: the same number
  std::vector<uint64_t> bounds;       // explicit chunks
  std::string context;
  bool keep_going = false;
};

// An engine with fake workers, and what the R thread does with one.
class TestSession {
 public:
  TestSession(const std::string& folder, const std::string& behaviour, unsigned workers, double start_timeout = 60,
              double interrupt_grace = 60);
  explicit TestSession(engine::EngineOptions options);

  engine::Engine& engine() { return *engine_; }
  void close() { engine_.reset(); }

  uint64_t submit(const std::string& command, engine::JobPolicy policy = {});
  uint64_t submit_map(const MapSpec& spec, engine::JobPolicy policy = {});

  // Waits for an answer as cpp_engine_collect() does; what comes at once meanwhile is put aside. Throws when
  // none comes.
  wire::Answer wait(uint64_t job, uint64_t element = 0);
  // Waits until a condition that is to be relayed at once has come from this job.
  std::string wait_immediate(uint64_t job);
  void wait_started(uint64_t job);
  // Waits until all workers are idle, and gives their pids.
  std::vector<pid_t> wait_idle();

  // The value of a task; throws when the answer is something else.
  std::string value(const std::string& command);
  std::string value_of(uint64_t job, uint64_t element = 0);
  wire::LostMessage loss_of(uint64_t job, uint64_t element = 0);
  // Every attempt's.
  std::vector<wire::LostMessage> losses_of(uint64_t job, uint64_t element = 0);

 private:
  template <typename Look>
  void wait_for(const Look& look);

  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace avenir::testing
