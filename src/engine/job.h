#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "engine/answers.h"
#include "shm/job_data.h"
#include "shm/segment.h"
#include "shm/task_table.h"
#include "wire/frame.h"
#include "wire/message.h"

namespace avenir::engine {

// What a job grants its evaluations.
struct JobPolicy {
  unsigned retries = 0;  // further attempts at what had begun when its worker was lost
  double time_limit = std::numeric_limits<double>::infinity();  // seconds, of each evaluation
  bool timed() const { return time_limit < std::numeric_limits<double>::infinity(); }
};

// What has come of jobs, in its order, for an engine that hands everything over as it comes.
struct JobNews {
  uint64_t job, element;
  std::optional<base::SharedBytes> immediate;  // empty: an answer
};

// What the pieces of a map share, where it comes in pieces.
struct MapContext {
  uint64_t map = 0;  // 0: none
  wire::SharedFd file;
};

// A future (one answer) or a map (one answer an element), from submission until the session forgets it.
struct Job {
  uint64_t id = 0;
  JobPolicy policy;

  // A future:
  bool cancelled = false;
  base::SharedBytes payload;    // empty when the bytes are in a memory file
  wire::SharedFd payload_file;  // with `payload` holding its length then

  // A map:
  std::optional<shm::TaskTable> table;
  wire::SharedFd table_file, data_file;
  std::vector<uint64_t> element_of;  // by position; empty: the same number
  std::deque<uint64_t> leftover;     // positions whose worker died before it began with them
  unsigned joined = 0;               // workers that are in it
  bool queued = false;
  unsigned width = 0;  // of a map in forks: how many do it
  MapContext context;
  std::optional<shm::JobData> data;  // for nodes: read when the first is to get some
  base::SharedBytes shared_data;     // what they all get of it

  shm::Segments segments;  // that its bytes refer to

  Answers answers;
  std::map<uint64_t, std::vector<wire::LostMessage>> losses;  // of elements that were begun and will be again
  unsigned unstarted_losses = 0;  // workers that died before they began with anything of it, in a row
  uint64_t answered = 0;
  std::deque<base::SharedBytes> immediate;  // conditions to be relayed at once
  std::deque<JobNews>* news = nullptr;      // whoever wants to know at once

  bool is_map() const { return table.has_value(); }
  bool has_work() const { return !leftover.empty() || (is_map() && table->units_left() > 0); }
  uint64_t element_at(uint64_t position) const { return element_of.empty() ? position : element_of[position]; }

  // Exactly one answer is counted an element: a second one, or one out of range, is dropped.
  bool fill(uint64_t element, wire::AnswerKind kind, base::SharedBytes bytes,
            std::shared_ptr<const void> used_segments = {}) {
    if (element >= answers.size() || !open(element)) return false;
    answers.fill(element, kind, std::move(bytes), std::move(used_segments));
    unstarted_losses = 0;
    ++answered;
    if (news != nullptr) news->push_back({id, element, std::nullopt});
    return true;
  }
  void relay(base::SharedBytes condition) {
    if (news != nullptr)
      news->push_back({id, 0, std::move(condition)});
    else
      immediate.push_back(std::move(condition));
  }
  void fill_all(wire::AnswerKind kind, const base::SharedBytes& bytes) {
    for (uint64_t element = 0; element < answers.size(); ++element) fill(element, kind, bytes);
  }
  bool open(uint64_t element) const { return answers.state(element) == Answers::State::kOpen; }

  // For an element that the session asks for.
  Answers::State state(uint64_t element) const {
    if (element >= answers.size())
      throw base::Error(base::ErrorKind::kInvalid, "job " + std::to_string(id) + " has no element " +
                                                       std::to_string(element) + " (counted from 0)");
    return answers.state(element);
  }
};

}  // namespace avenir::engine
