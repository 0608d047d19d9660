#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

// Vectors to be sorted, and their elements as whole numbers that are in the same order.
namespace avenir::sort {

enum class Type : uint8_t { kDouble, kInteger };  // R's logicals are integers

// Where missing elements go: NA and NaN, which keep their order.
enum class Missing : uint8_t { kLast, kFirst, kLeftOut };

struct Column {
  const void* data = nullptr;
  Type type = Type::kDouble;
  bool decreasing = false;
};

inline constexpr int32_t kNaInteger = std::numeric_limits<int32_t>::min();
// Of missing elements; no other has these, in either direction.
inline constexpr uint64_t kFirstKey = 0, kLastKey = UINT64_MAX;

inline bool is_missing(double x) { return x != x; }
inline bool is_missing(int32_t x) { return x == kNaInteger; }

// -0 and 0 are one.
inline uint64_t key_of(double x) {
  x += 0.0;
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits ^ ((0 - (bits >> 63)) | uint64_t{1} << 63);
}
inline uint64_t key_of(int32_t x) {
  return static_cast<uint32_t>(x) ^ uint32_t { 1 } << 31;
}

inline void element_of(uint64_t key, double& x) {
  const uint64_t bits = key ^ (((key >> 63) - 1) | uint64_t{1} << 63);
  std::memcpy(&x, &bits, sizeof x);
}
inline void element_of(uint64_t key, int32_t& x) {
  x = static_cast<int32_t>(static_cast<uint32_t>(key) ^ uint32_t{1} << 31);
}

// A column's keys.
template <typename T>
class Keys {
 public:
  Keys(const T* data, bool decreasing, Missing missing)
      : data_(data), flip_(decreasing ? UINT64_MAX : 0), missing_(missing == Missing::kFirst ? kFirstKey : kLastKey) {}
  uint64_t operator[](size_t i) const { return is_missing(data_[i]) ? missing_ : key_of(data_[i]) ^ flip_; }
  T element(uint64_t key) const {
    T x;
    element_of(key ^ flip_, x);
    return x;
  }

 private:
  const T* data_;
  uint64_t flip_, missing_;
};

// f(const T*) for the column's type.
template <typename F>
void with_data(const Column& column, F f) {
  if (column.type == Type::kDouble)
    f(static_cast<const double*>(column.data));
  else
    f(static_cast<const int32_t*>(column.data));
}

}  // namespace avenir::sort
