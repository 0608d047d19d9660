#include <Rcpp.h>

#include "array/gpu_array.h"
#include "array/travel.h"
#include "compute/library.h"
#include "expression/threaded.h"
#include "rbridge/door.h"
#include "rng/mrg32k3a.h"

// Doors of R/gpu-device.R and R/gpu-array.R: which devices there are, arrays on them and back. Names of devices and
// types have been checked there.

using namespace avenir;

namespace {

using device::Device;
using rbridge::Keeper;

Rcpp::List described(const device::Description& gpu) {
  return Rcpp::List::create(Rcpp::Named("index") = gpu.index, Rcpp::Named("name") = gpu.name,
                            Rcpp::Named("uuid") = gpu.uuid, Rcpp::Named("architecture") = gpu.architecture,
                            Rcpp::Named("processors") = gpu.processors, Rcpp::Named("slow_double") = gpu.slow_double);
}

Rcpp::List described(const std::vector<device::Description>& gpus) {
  Rcpp::List all(gpus.size());
  for (size_t i = 0; i < gpus.size(); ++i) all[static_cast<R_xlen_t>(i)] = described(gpus[i]);
  return all;
}

Rcpp::List described(const std::vector<device::Library>& libraries) {
  Rcpp::List all(libraries.size());
  for (size_t i = 0; i < libraries.size(); ++i)
    all[static_cast<R_xlen_t>(i)] = Rcpp::List::create(
        Rcpp::Named("name") = libraries[i].name, Rcpp::Named("path") = libraries[i].path,
        Rcpp::Named("version") = libraries[i].version, Rcpp::Named("missing") = libraries[i].missing);
  return all;
}

double number(uint64_t x) { return static_cast<double>(x); }

}  // namespace

// ---- Devices ----

// list(GPUs, why there are none)
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpus() {
  return rbridge::door([&]() -> SEXP {
    const compute::Api& library = expression::prepared_library();
    return Rcpp::List::create(described(library.gpus()), library.gpus_missing());
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_status() {
  return rbridge::door([&]() -> SEXP {
    const device::GpuStatus status = expression::prepared_library().gpu_status();
    return Rcpp::List::create(Rcpp::Named("missing") = status.missing, Rcpp::Named("driver") = status.driver,
                              Rcpp::Named("gpus") = described(status.gpus),
                              Rcpp::Named("libraries") = described(status.libraries));
  });
}

// TRUE in a fork of a process that used a GPU, which is out of reach here.
// [[Rcpp::export(rng = false)]]
bool cpp_gpu_is_forked() { return compute::is_loaded() && compute::library().is_forked_from_gpu_user(); }

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_memory(std::string device) {
  return rbridge::door([&]() -> SEXP {
    const device::Memory memory = array::device_of(device).memory();
    return Rcpp::NumericVector::create(
        Rcpp::Named("total") = number(memory.total), Rcpp::Named("free") = number(memory.free),
        Rcpp::Named("held") = number(memory.held), Rcpp::Named("pooled") = number(memory.pooled),
        Rcpp::Named("limit") = number(memory.limit), Rcpp::Named("arrays") = number(memory.buffers));
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_set_limit(std::string device, double bytes) {
  return rbridge::door([&]() -> SEXP {
    array::device_of(device).set_limit(static_cast<uint64_t>(bytes));
    return R_NilValue;
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_trim(std::string device) {
  return rbridge::door([&]() -> SEXP {
    array::device_of(device).trim();
    return R_NilValue;
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_sync(std::string device) {
  return rbridge::door([&]() -> SEXP {
    Device& at = array::device_of(device);
    at.sync();
    array::raise_warnings(at);
    return R_NilValue;
  });
}

// Whether products of floats are as exact as floats are; `exact` NULL asks only.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_precision(std::string device, SEXP exact) {
  return rbridge::door([&]() -> SEXP {
    Device& at = array::device_of(device);
    const bool before = at.precision() == device::Precision::kIeee;
    if (exact != R_NilValue)
      at.set_precision(Rf_asLogical(exact) == TRUE ? device::Precision::kIeee : device::Precision::kTf32);
    return Rf_ScalarLogical(before);
  });
}

// ---- Arrays ----

// `x` is a vector, whose attributes are not looked at.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_make(SEXP x, std::string type, std::string device, SEXP dim, SEXP dimnames, SEXP names) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    array::Attributes attributes;
    attributes.dim = dim;
    attributes.dimnames = dimnames;
    attributes.names = names;
    return array::new_array(keeper, array::upload(x, array::type_of_name(type), array::device_of(device)), attributes);
  });
}

// The elements, as a vector.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_fetch(SEXP x) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    return array::fetch(keeper, array::node_of(x));
  });
}

// NULL when the elements are gone.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_length(SEXP x) {
  return rbridge::door([&]() -> SEXP {
    const auto* const node = array::found_node(x);
    if (node == nullptr) return R_NilValue;
    const uint64_t length = (*node)->length();
    return length <= INT32_MAX ? Rf_ScalarInteger(static_cast<int>(length)) : Rf_ScalarReal(number(length));
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_type(SEXP x) {
  return rbridge::door([&]() -> SEXP { return Rf_mkString(array::name_of(array::node_of(x)->type())); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_device(SEXP x) {
  return rbridge::door([&]() -> SEXP { return Rf_mkString(array::node_of(x)->device().name().c_str()); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_is_computed(SEXP x) {
  return rbridge::door([&]() -> SEXP { return Rf_ScalarLogical(array::node_of(x)->is_computed() ? 1 : 0); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_compute(SEXP x) {
  return rbridge::door([&]() -> SEXP {
    const array::NodePtr& node = array::node_of(x);
    expression::prepared_library();
    node->buffer();
    array::raise_warnings(node->device());
    return x;
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_copy(SEXP x, std::string device) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    const array::NodePtr& node = array::node_of(x);
    Device& to = array::device_of(device);
    if (&to == &node->device()) return x;
    const SEXP elements = array::fetch(keeper, node);
    return array::new_array(keeper, array::upload(elements, node->type(), to), array::attributes_of_array(x));
  });
}

// What runif(n, offset, offset + factor) or rnorm(n, offset, factor) draws from the state.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_draws(SEXP seed, double n, bool normal, double offset, double factor, std::string type,
                   std::string device) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    Device& at = array::device_of(device);
    device::Buffer numbers = at.allocate(array::type_of_name(type), static_cast<uint64_t>(n));
    const rng::State state = rng::state_of_seed(INTEGER(seed));
    if (normal)
      at.fill_normal(state, offset, factor, numbers);
    else
      at.fill_uniform(state, offset, factor, numbers);
    return array::new_array(keeper, std::make_shared<lazy::Node>(std::move(numbers)));
  });
}

// [[Rcpp::init]]
void register_travelling_arrays(DllInfo* dll) { array::register_travelling_arrays(dll); }
