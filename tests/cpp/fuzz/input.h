#pragma once

// Numbers and choices from libFuzzer's bytes; zeros when they are used up.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace avenir::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), left_(size) {}

  template <typename T>
  T get() {
    T value{};
    const size_t some = std::min(sizeof value, left_);
    if (some > 0) std::memcpy(&value, at_, some);
    at_ += some;
    left_ -= some;
    return value;
  }
  // One of 0, 1, ..., count - 1.
  size_t below(size_t count) { return get<uint8_t>() % count; }
  template <typename T, size_t kCount>
  T one_of(const T (&choices)[kCount]) {
    return choices[below(kCount)];
  }
  const uint8_t* rest() const { return at_; }
  size_t left() const { return left_; }

 private:
  const uint8_t* at_;
  size_t left_;
};

}  // namespace avenir::fuzz
