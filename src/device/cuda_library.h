#pragma once

#include <string>
#include <vector>

#include "device/cuda_api.h"
#include "device/device.h"

// CUDA's shared objects, each opened when something of it is first needed, and never closed.
//
// Folders that are searched, in this order: AVENIR_CUDA_LIB; lib64 and lib of CUDA_HOME and of CUDA_PATH; what the
// system's linker finds; the folder that `configure` recorded; the usual ones. R thread only.
namespace avenir::device {

// The driver with at least one GPU. Throws kUnsupported with missing_driver().
const Driver& driver();
// Why there is none, as a sentence; empty when there is. Starts the driver at its first call.
const std::string& missing_driver();
// "13.0" of 13000; empty when no driver could be asked.
std::string driver_version();

// Throw kUnsupported with the sentence of Library::missing.
const Nvrtc& nvrtc();
const Cublas& cublas();
const Cusolver& cusolver();
// Why kernels cannot be compiled; empty when they can.
const std::string& missing_nvrtc();
// Of NVRTC: 13000 of 13.0.
int nvrtc_version();

// All of them, loaded for this.
std::vector<Library> describe_libraries();

// Forgets everything: what follows is found anew (for tests).
void forget_libraries();

}  // namespace avenir::device
