#include "test_session.h"

#include <unistd.h>

#include <stdexcept>

#include "fake_worker.h"
#include "support.h"
#include "sys/poller.h"

extern char** environ;

namespace avenir::testing {

sys::SpawnSpec fake_spec(const std::string& behaviour, const std::string& folder) {
  sys::SpawnSpec spec;
  spec.path = std::filesystem::read_symlink("/proc/self/exe").string();
  spec.argv = {spec.path, kFakeMark, behaviour, folder};
  std::string thread_options = "TSAN_OPTIONS=";
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    if (variable.rfind("TSAN_OPTIONS=", 0) == 0)
      thread_options = variable + ":";
    else
      spec.environment.push_back(variable);
  }
  // A data race in a worker ends it, so that the test sees it.
  spec.environment.push_back(thread_options + "halt_on_error=1");
  return spec;
}

TestSession::TestSession(const std::string& folder, const std::string& behaviour, unsigned workers,
                         double start_timeout, double interrupt_grace) {
  engine::EngineOptions options;
  options.workers = workers;
  options.r = fake_spec(behaviour, folder);
  options.temp_folder = folder;
  options.start_timeout = start_timeout;
  options.interrupt_grace = interrupt_grace;
  engine_ = std::make_unique<engine::Engine>(std::move(options));
}

TestSession::TestSession(engine::EngineOptions options)
    : engine_(std::make_unique<engine::Engine>(std::move(options))) {}

uint64_t TestSession::submit(const std::string& command, engine::JobPolicy policy) {
  return engine_->submit_task(shared(command), policy);
}

uint64_t TestSession::submit_map(const MapSpec& spec, engine::JobPolicy policy) {
  base::Bytes values;
  std::vector<uint64_t> offsets{0};
  for (const std::string& element : spec.elements) {
    values.insert(values.end(), element.begin(), element.end());
    offsets.push_back(values.size());
  }
  base::ByteWriter elements;
  elements.put_bytes(offsets.data(), offsets.size() * sizeof(uint64_t));
  elements.put_bytes(values.data(), values.size());
  const base::Bytes context = bytes(spec.context);

  shm::JobDataParts parts;
  parts.count = spec.elements.size();
  parts.mode = shm::ElementMode::kEach;
  parts.context = context;
  parts.elements = elements.bytes();
  parts.order = spec.order;
  parts.bounds = spec.bounds;
  const uint64_t units = spec.bounds.empty() ? parts.count : spec.bounds.size() - 1;
  auto table = shm::TaskTable::create(parts.count, units, engine_->workers(), spec.keep_going);
  return engine_->submit_map(std::move(table), shm::write_job_data(parts), spec.order, policy);
}

template <typename Look>
void TestSession::wait_for(const Look& look) {
  const auto deadline = base::Deadline::in_seconds(kPatience);
  while (!look()) {
    if (deadline.passed()) throw std::runtime_error("nothing came from the engine in time");
    if (sys::wait_readable(engine_->ready_fd(), deadline)) engine_->drain_ready();
  }
}

wire::Answer TestSession::wait(uint64_t job, uint64_t element) {
  std::optional<wire::Answer> answer;
  wait_for([&] {
    while (engine_->take_immediate(job)) {
    }
    answer = engine_->take(job, element);
    return answer.has_value();
  });
  return std::move(*answer);
}

std::string TestSession::wait_immediate(uint64_t job) {
  std::optional<base::SharedBytes> bytes;
  wait_for([&] {
    engine_->answered(job, 0);  // says that we wait
    bytes = engine_->take_immediate(job);
    return bytes.has_value();
  });
  return text(*bytes);
}

void TestSession::wait_started(uint64_t job) {
  if (wait_immediate(job) != "started") throw std::logic_error("not the news that was waited for");
}

std::vector<pid_t> TestSession::wait_idle() {
  std::vector<pid_t> pids;
  const bool idle = eventually([&] {
    pids.clear();
    for (const auto& worker : engine_->worker_infos())
      if (worker.state == std::string("idle") && worker.pid > 0) pids.push_back(worker.pid);
    return pids.size() == engine_->workers();
  });
  if (!idle) throw std::runtime_error("the workers did not all become idle in time");
  return pids;
}

std::string TestSession::value(const std::string& command) {
  const uint64_t job = submit(command);
  const std::string result = value_of(job);
  engine_->forget(job);
  return result;
}

std::string TestSession::value_of(uint64_t job, uint64_t element) {
  const wire::Answer answer = wait(job, element);
  if (answer.kind != wire::AnswerKind::kValue)
    throw std::runtime_error("an answer of kind " + std::to_string(static_cast<int>(answer.kind)) +
                             " instead of a value: " + text(answer.bytes));
  return text(answer.bytes);
}

wire::LostMessage TestSession::loss_of(uint64_t job, uint64_t element) { return losses_of(job, element).back(); }

std::vector<wire::LostMessage> TestSession::losses_of(uint64_t job, uint64_t element) {
  const wire::Answer answer = wait(job, element);
  if (answer.kind != wire::AnswerKind::kLost)
    throw std::runtime_error("an answer of kind " + std::to_string(static_cast<int>(answer.kind)) +
                             " instead of a loss: " + text(answer.bytes));
  return wire::decode_losses(answer.bytes);
}

}  // namespace avenir::testing
