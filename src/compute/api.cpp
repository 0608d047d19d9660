#include "compute/api.h"

#include "par/parallel_for.h"

namespace {

using namespace avenir;

constexpr compute::Api kApi = {
    compute::kApiVersion, par::threads,     par::set_threads,    par::has_threads,
    par::parallel_for,    linalg::evaluate, linalg::add_outcome, linalg::math_width,
    linalg::name_of,      linalg::name_of,  linalg::choose_math, linalg::choose_math,
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const compute::Api* avenir_compute_api();
const compute::Api* avenir_compute_api() { return &kApi; }
