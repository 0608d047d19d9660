#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sort/column.h"

// Rows as numbers of 64 bits that are in the rows' order: the columns' keys, as narrow as their range allows, and below
// them the row itself, so that a sort of the numbers is stable. Where there is no room for all keys, the last bits of
// one column and the columns after it are left out.
namespace avenir::sort {

class Packing {
 public:
  Packing(const std::vector<Column>& columns, size_t count, Missing missing);

  // Writes the numbers of rows [begin, end).
  void pack(size_t begin, size_t end, uint64_t* out) const;
  uint64_t row_in(uint64_t packed) const { return packed & row_mask_; }
  bool same_keys(uint64_t a, uint64_t b) const { return ((a ^ b) & ~row_mask_) == 0; }
  // The first column that is not wholly in the numbers; as many as there are when all are.
  size_t first_open() const { return first_open_; }

 private:
  struct Field {
    Column column;
    uint64_t least, step, missing;  // step: the codes of other than missing elements begin there
    unsigned unused, width, left_out;
  };
  static Field field_of(const Column& column, size_t count, Missing missing);
  template <typename T>
  void add(const Field& field, const T* x, size_t begin, size_t end, uint64_t* out) const;

  std::vector<Field> fields_;
  uint64_t row_mask_;
  size_t first_open_ = 0;
};

}  // namespace avenir::sort
