// The part of the engine that a node uses: its companion gives it work and takes everything that comes, as it comes.

#include "engine/engine.h"
#include "engine/token.h"

namespace avenir::engine {

void Engine::set_companion(std::unique_ptr<Companion> companion) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  poller_.add(companion->fd(), token(kCompanion));
  companion_ = std::move(companion);
  wake_.wake();  // for its first turn
}

std::vector<Engine::News> Engine::take_news() {
  std::vector<News> taken;
  std::lock_guard<std::mutex> lock(mutex_);
  for (JobNews& one : news_) {
    Job* const job = find(one.job);
    if (job == nullptr) continue;
    if (one.immediate)
      taken.push_back({one.job, std::nullopt, std::move(*one.immediate)});
    else
      taken.push_back({one.job, job->answers.take(one.element), {}});
  }
  news_.clear();
  return taken;
}

uint64_t Engine::stopped_from(uint64_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Job* const job = find(id);
  return job == nullptr || !job->is_map() ? 0 : job->table->stopped_from();
}

void Engine::drop_context(uint64_t map) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [id, worker] : workers_) {
    if (worker->context != map || !worker->data.valid()) continue;
    worker->context = 0;
    worker->writer.push(wire::FrameType::kDropContext, 0, base::SharedBytes::copy(&map, sizeof map));
    flush_worker(*worker);
  }
}

void Engine::configure(const wire::NodeWelcome& limits) {
  std::lock_guard<std::mutex> lock(mutex_);
  options_.memory_limit = limits.memory_limit;
  options_.interrupt_grace = limits.interrupt_grace;
  options_.start_timeout = limits.start_timeout;
}

}  // namespace avenir::engine
