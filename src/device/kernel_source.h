#pragma once

#include <cstdint>
#include <string>

#include "linalg/program.h"

// CUDA C++ for programs: what NVRTC compiles. Knows no CUDA.
namespace avenir::device {

// What a program is run for.
enum class Goal : uint8_t {
  kElements,  // all elements, to `out`
  kTotals,    // Partial totals of each block
  kRows,      // sums of the rows of a matrix, of each part of its columns
  kColumns,   // sums of the columns, of each part of their rows
};

inline constexpr unsigned kThreads = 256;  // of a block
inline constexpr const char* kKernelName = "kernel";

// A kernel's text: `head` and `tail` with what all kernels share between them. Programs of the same structure - all but
// the constants' values, lengths and addresses - have the same. Parameters of the kernel:
//
//   for each input its address, and its length where that is neither the program's nor 1; for each constant its value,
//   of the type that constant_types() says; the number of elements; `out`; the address of the events;
//   kRows and kColumns: also the number of rows, and how many columns or rows make a part.
struct KernelCode {
  std::string head, tail;
  std::string key() const { return head + tail; }
  std::string source() const;
};

// Throws kUnsupported for a function of the user's (Op::kCall).
KernelCode kernel_code(const linalg::Program& program, Goal goal);

// The kernels of device/kernel_texts.h.
KernelCode margin_kernels();
KernelCode shape_kernels();
KernelCode order_kernels();  // and the cumulative sums'
KernelCode random_kernels();

// Elements of a part of the cumulative sums and orders: a block each.
inline constexpr uint64_t kScanPart = 16 * kThreads;

enum class Access : uint8_t { kWhole, kScalar, kRecycled };
Access access_of(const linalg::Input& input, const linalg::Program& program);

// The type of each constant, by the steps that use it: kDouble or kInteger. In a kernel these are double and int.
std::vector<linalg::Type> constant_types(const linalg::Program& program);

// Totals of a block: kReductionFunctions' struct Partial.
struct PartialTotals {
  double sum, lost;
  double fraction;
  int64_t exponent;
  double least, greatest;
  int64_t integer_sum;
  uint64_t counted;
  int32_t least_integer, greatest_integer;
  uint32_t flags, padding;
};
static_assert(sizeof(PartialTotals) == 80);

// Of all blocks, in this order.
linalg::Totals add_up(const PartialTotals* partials, size_t count);

// Of the sums of rows and columns: struct Margin.
inline constexpr size_t kMarginBytes = 32;

}  // namespace avenir::device
