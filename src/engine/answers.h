#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "wire/message.h"

namespace avenir::engine {

// A job's answers, one an element: each is filled once, and emptied when the session takes it. In blocks, which are
// there only while they hold answers that nobody has taken: a long map takes the memory of what is under way.
class Answers {
 public:
  enum class State : uint8_t { kOpen, kFilled, kTaken };

  explicit Answers(uint64_t size = 0) : size_(size), blocks_((size + kBlock - 1) / kBlock) {}

  uint64_t size() const { return size_; }
  // `element` is below size() here and in what follows.
  State state(uint64_t element) const {
    const Slot& slot = blocks_[element / kBlock];
    if (slot.block) return slot.block->places[element % kBlock].state;
    return slot.gone ? State::kTaken : State::kOpen;
  }
  // Of a filled one.
  wire::AnswerKind kind(uint64_t element) const { return place(element).kind; }

  // `segments`: shm::Segments that the bytes refer to.
  void fill(uint64_t element, wire::AnswerKind kind, base::SharedBytes bytes, std::shared_ptr<const void> segments) {
    Slot& slot = blocks_[element / kBlock];
    if (!slot.block) make_block(slot, element / kBlock);
    Place& filled = slot.block->places[element % kBlock];
    if (filled.state == State::kTaken) --slot.block->taken;
    filled = {State::kFilled, kind, std::move(bytes), std::move(segments)};
  }
  // Of a filled one.
  wire::Answer take(uint64_t element) {
    Slot& slot = blocks_[element / kBlock];
    Place& taken = slot.block->places[element % kBlock];
    wire::Answer answer{element, taken.kind, std::move(taken.bytes), std::move(taken.segments)};
    taken = {};
    taken.state = State::kTaken;
    if (++slot.block->taken == places_in(element / kBlock)) slot = {nullptr, true};
    return answer;
  }

 private:
  static constexpr uint64_t kBlock = 1024;

  struct Place {
    State state = State::kOpen;
    wire::AnswerKind kind = wire::AnswerKind::kValue;
    base::SharedBytes bytes;
    std::shared_ptr<const void> segments;
  };
  struct Block {
    std::array<Place, kBlock> places;
    uint64_t taken = 0;
  };
  struct Slot {
    std::unique_ptr<Block> block;
    bool gone = false;  // all of it was taken
  };

  uint64_t places_in(uint64_t block) const { return std::min(kBlock, size_ - block * kBlock); }
  const Place& place(uint64_t element) const { return blocks_[element / kBlock].block->places[element % kBlock]; }
  void make_block(Slot& slot, uint64_t number) {
    slot.block = std::make_unique<Block>();
    if (!std::exchange(slot.gone, false)) return;
    slot.block->taken = places_in(number);
    for (Place& one : slot.block->places) one.state = State::kTaken;
  }

  uint64_t size_;
  std::vector<Slot> blocks_;
};

}  // namespace avenir::engine
