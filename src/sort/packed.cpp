#include "sort/packed.h"

#include <algorithm>

#include "par/pieces.h"

namespace avenir::sort {

namespace {

unsigned bits_of(uint64_t x) { return x == 0 ? 0 : 64 - static_cast<unsigned>(__builtin_clzll(x)); }

// Of the keys of elements that are not missing.
struct KeyRange {
  uint64_t least = UINT64_MAX, most = 0, ones = 0, zeros = 0;  // bits that are set in some, and unset in some
  bool any_missing = false;
  void add(const KeyRange& other) {
    least = std::min(least, other.least);
    most = std::max(most, other.most);
    ones |= other.ones;
    zeros |= other.zeros;
    any_missing |= other.any_missing;
  }
};

template <typename T>
KeyRange range_of(const T* x, uint64_t flip, size_t begin, size_t end) {
  KeyRange range;
  for (size_t i = begin; i < end; ++i) {
    const bool missing = is_missing(x[i]);
    const uint64_t key = key_of(x[i]) ^ flip, none = missing ? 0 : UINT64_MAX;
    range.least = std::min(range.least, key | ~none);
    range.most = std::max(range.most, key & none);
    range.ones |= key & none;
    range.zeros |= ~key & none;
    range.any_missing |= missing;
  }
  return range;
}

uint64_t flip_of(const Column& column) { return column.decreasing ? UINT64_MAX : 0; }

KeyRange range_of(const Column& column, size_t count) {
  KeyRange total;
  with_data(column, [&](const auto* x) {
    const auto parts =
        par::map_pieces(count, [&](size_t begin, size_t end) { return range_of(x, flip_of(column), begin, end); });
    for (const KeyRange& part : parts) total.add(part);
  });
  return total;
}

}  // namespace

// The low bits that all keys have in common are not in the codes.
Packing::Field Packing::field_of(const Column& column, size_t count, Missing missing) {
  const KeyRange range = range_of(column, count);
  if (range.least > range.most) return {column, 0, 0, 0, 0, 0, 0};  // all are missing
  const uint64_t varying = range.ones & range.zeros;
  const unsigned unused = varying == 0 ? 0 : static_cast<unsigned>(__builtin_ctzll(varying));
  const uint64_t span = (range.most - range.least) >> unused;
  const bool first = missing == Missing::kFirst && range.any_missing;
  const uint64_t most = span + (range.any_missing ? 1 : 0);
  return {column, range.least, first ? uint64_t{1} : 0, first ? 0 : most, unused, bits_of(most), 0};
}

Packing::Packing(const std::vector<Column>& columns, size_t count, Missing missing)
    : row_mask_((uint64_t{1} << bits_of(count)) - 1) {
  const unsigned row_bits = bits_of(count);
  unsigned room = 64 - row_bits;
  for (; first_open_ < columns.size(); ++first_open_) {
    Field field = field_of(columns[first_open_], count, missing);
    field.left_out = field.width - std::min(field.width, room);
    room -= field.width - field.left_out;
    fields_.push_back(field);
    if (field.left_out > 0) break;
  }
}

template <typename T>
void Packing::add(const Field& field, const T* x, size_t begin, size_t end, uint64_t* out) const {
  const uint64_t flip = flip_of(field.column);
  const unsigned width = field.width - field.left_out;
  if (width == 0) return;
  for (size_t i = begin; i < end; ++i) {
    const uint64_t code = (((key_of(x[i]) ^ flip) - field.least) >> field.unused) + field.step;
    uint64_t& packed = out[i - begin];
    packed = packed << width | (is_missing(x[i]) ? field.missing : code) >> field.left_out;
  }
}

void Packing::pack(size_t begin, size_t end, uint64_t* out) const {
  std::fill(out, out + (end - begin), 0);
  for (const Field& field : fields_) with_data(field.column, [&](const auto* x) { add(field, x, begin, end, out); });
  const unsigned row_bits = bits_of(row_mask_);
  for (size_t i = begin; i < end; ++i) out[i - begin] = out[i - begin] << row_bits | i;
}

}  // namespace avenir::sort
