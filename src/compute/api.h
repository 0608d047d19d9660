#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "device/device.h"
#include "linalg/evaluate.h"
#include "linalg/math_library.h"
#include "linalg/program.h"
#include "sort/column.h"
#include "sort/tables.h"

// What the second shared object offers to the first. It has all that runs on several threads and needs libraries of its
// own: the package is loaded without it, and it is loaded when something of it is first asked for. It knows no R.
namespace avenir::compute {

// Raised with every change of what follows: the two are installed together, but a session may have loaded one of them
// before an installation and the other after it.
inline constexpr uint32_t kApiVersion = 4;

struct Api {
  uint32_t version;

  // par/parallel_for.h
  unsigned (*threads)();
  void (*set_threads)(unsigned count);
  bool (*has_threads)();
  void (*parallel_for)(size_t count, size_t piece, const std::function<void(size_t, size_t)>& body);

  // linalg/evaluate.h
  linalg::Outcome (*evaluate)(const linalg::Program& program, void* out, uint64_t begin, uint64_t end);
  void (*add_outcome)(linalg::Outcome& total, const linalg::Outcome& next, const linalg::Program& program);

  // linalg/math_library.h
  linalg::Width (*math_width)();
  const char* (*name_of_source)(linalg::MathSource source);
  const char* (*name_of_width)(linalg::Width width);
  void (*choose_best_math)();
  bool (*choose_math)(linalg::MathSource source, linalg::Width width);
  void (*follow)(linalg::Rules rules);

  // linalg/cumulate.h
  void (*cumulate_doubles)(const double* x, uint64_t count, double* out);
  bool (*cumulate_integers)(const int32_t* x, uint64_t count, int32_t* out);

  // sort/sort.h
  size_t (*count_complete)(const std::vector<sort::Column>& columns, size_t count);
  void (*sort_values)(const sort::Column& column, size_t count, size_t complete, sort::Missing missing, void* out);
  void (*order_rows)(const std::vector<sort::Column>& columns, size_t count, sort::Missing missing, int32_t* integers,
                     double* doubles);

  // sort/tables.h
  sort::Distinct<double> (*distinct_doubles)(const double* x, size_t count);
  sort::Distinct<int32_t> (*distinct_integers)(const int32_t* x, size_t count);
  void (*find_codes_of_doubles)(const double* x, size_t count, const double* values, size_t number, int32_t* codes);
  void (*find_codes_of_integers)(const int32_t* x, size_t count, const int32_t* values, size_t number, int32_t* codes);
  std::vector<uint64_t> (*count_cells)(const std::vector<const int32_t*>& codes, const std::vector<size_t>& extents,
                                       size_t count);
  bool (*are_codes)(const int32_t* codes, size_t count, size_t extent);

  // device/device.h
  device::Device& (*cpu_device)();
  void (*set_collector)(std::function<void()> collector);
  const std::vector<device::Description>& (*gpus)();
  const std::string& (*gpus_missing)();
  device::GpuStatus (*gpu_status)();
  device::Device& (*gpu_device)(int index);
  bool (*is_forked_from_gpu_user)();
};

inline constexpr const char* kApiSymbol = "avenir_compute_api";

}  // namespace avenir::compute
