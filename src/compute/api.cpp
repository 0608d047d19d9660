#include "compute/api.h"

#include "linalg/cumulate.h"
#include "par/parallel_for.h"
#include "sort/sort.h"

namespace {

using namespace avenir;

constexpr compute::Api kApi = {
    compute::kApiVersion,
    par::threads,
    par::set_threads,
    par::has_threads,
    par::parallel_for,
    linalg::evaluate,
    linalg::add_outcome,
    linalg::math_width,
    linalg::name_of,
    linalg::name_of,
    linalg::choose_math,
    linalg::choose_math,
    linalg::follow,
    linalg::cumulate,
    linalg::cumulate,
    sort::count_complete,
    sort::sort_values,
    sort::order_rows,
    sort::distinct,
    sort::distinct,
    sort::find_codes<double>,
    sort::find_codes<int32_t>,
    sort::count_cells,
    sort::are_codes,
    device::cpu_device,
    device::set_collector,
    device::gpus,
    device::gpus_missing,
    device::gpu_status,
    device::gpu_device,
    device::is_forked_from_gpu_user,
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const compute::Api* avenir_compute_api();
const compute::Api* avenir_compute_api() { return &kApi; }
