#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "device/cuda_library.h"
#include "doctest/doctest.h"
#include "mock_gpu.h"

// What a GPU, or none, does when things go wrong: on those of tests/testthat/mock.
using namespace avenir;
using base::ErrorKind;
using device::Buffer;
using device::Device;
using linalg::Type;

namespace {

template <typename F>
base::Error error_of(const F& f) {
  try {
    f();
  } catch (const base::Error& error) {
    return error;
  }
  return {ErrorKind::kInternal, "nothing was thrown"};
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<double> ones(size_t count) { return std::vector<double>(count, 1.0); }

// An empty folder instead of the mock's.
struct Folder {
  Folder() : path("/tmp/avenir-test-XXXXXX") { CHECK(::mkdtemp(path.data()) != nullptr); }
  ~Folder() { CHECK(::system(("rm -r " + path).c_str()) == 0); }
  void add(const std::string& name) const {
    CHECK(::symlink((MockGpu::folder() + "/" + name).c_str(), at(name).c_str()) == 0);
  }
  std::string at(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

}  // namespace

TEST_CASE("without a driver the sentence says so, and every attempt is refused with it") {
  const Folder folder;
  MockGpu mock(Settings{{"AVENIR_CUDA_LIB", folder.path}});
  if (device::gpus_missing().empty()) return;  // a machine with a GPU
  CHECK(says(device::gpus_missing(), "no NVIDIA driver on this machine"));
  CHECK(says(device::gpus_missing(), "libcuda.so.1"));
  CHECK(device::gpus().empty());
  const auto error = error_of([&] { mock.device(); });
  CHECK(error.kind() == ErrorKind::kUnsupported);
  CHECK(error.what() == device::gpus_missing());
}

TEST_CASE("a stub, a driver that is old, one that does not start and a mask have sentences of their own") {
  struct Case {
    const char *name, *value, *says;
  };
  for (const Case& one : {Case{"AVENIR_MOCK_FAIL", "cuInit:34", "is the CUDA toolkit's stub"},
                          Case{"AVENIR_MOCK_VERSION", "11040", "is too old: it is one for CUDA 11.4"},
                          Case{"AVENIR_MOCK_FAIL", "cuInit:803", "cannot be started: cuInit() gave"},
                          Case{"CUDA_VISIBLE_DEVICES", "", "CUDA_VISIBLE_DEVICES is \"\""},
                          Case{"AVENIR_MOCK_DEVICES", "0", "finds no GPU"},
                          Case{"AVENIR_MOCK_VERSION", "12040", "needs a newer NVIDIA driver"}}) {
    CAPTURE(one.says);
    const MockGpu mock(Settings{{one.name, one.value}});
    CAPTURE(device::gpus_missing());
    CHECK(says(device::gpus_missing(), one.says));
  }
}

TEST_CASE("a toolkit that is not there, or half there, is told apart from the driver") {
  const Folder folder;
  folder.add("libcuda.so.1");
  {
    const MockGpu mock(Settings{{"AVENIR_CUDA_LIB", folder.path}, {"CUDA_HOME", "/nowhere"}});
    if (!device::gpus_missing().empty()) CHECK(says(device::gpus_missing(), "no CUDA toolkit 12 or later: libnvrtc"));
  }
  folder.add("libnvrtc.so.13");
  const MockGpu mock(Settings{{"AVENIR_CUDA_LIB", folder.path}, {"AVENIR_MOCK_NVRTC", "13.7"}});
  CHECK(says(device::gpus_missing(), "is incomplete: libnvrtc-builtins.so.13.7"));
}

TEST_CASE("the GPUs are described, and the libraries with their paths") {
  MockGpu mock(Settings{{"AVENIR_MOCK_DEVICES", "2"}});
  const auto status = device::gpu_status();
  CHECK(status.missing.empty());
  CHECK(status.driver == "13.0");
  REQUIRE(status.gpus.size() == 2);
  CHECK(status.gpus[1].index == 1);
  CHECK(status.gpus[1].name == "Mock");
  CHECK(status.gpus[1].architecture == 90);
  CHECK(status.gpus[1].uuid == "GPU-02020202-0202-0202-0202-020202020202");
  REQUIRE(status.libraries.size() == 4);
  for (const auto& library : status.libraries) CHECK(says(library.path, MockGpu::folder()));
  CHECK(says(error_of([&] { mock.device(2); }).what(), "there is no GPU 2"));
}

TEST_CASE("memory is the buffers', comes back with the last of them, and stays below the limit") {
  MockGpu mock;
  Device& gpu = mock.device();
  const auto before = gpu.memory();
  {
    const Buffer a = gpu.allocate(Type::kDouble, 1000);
    const Buffer b = a;
    CHECK(gpu.memory().held == before.held + 8192);
    CHECK(gpu.memory().buffers == before.buffers + 1);
    CHECK_FALSE(a.is_unshared());
  }
  CHECK(gpu.memory().held == before.held);
  CHECK(gpu.memory().limit == doctest::Approx(0.9e9).epsilon(0.001));
  gpu.set_limit(1 << 20);
  const Buffer most = gpu.allocate(Type::kDouble, 100000);
  const auto error = error_of([&] { gpu.allocate(Type::kDouble, 100000); });
  CHECK(error.kind() == ErrorKind::kOverloaded);
  CHECK(says(error.what(), "GPU 0 (Mock) is out of memory: 800 KB needed"));
  CHECK(says(error.what(), "this session holds 800 KB of the 1.0 MB that gpu_limit() allows"));
  CHECK(says(error.what(), "type = \"float\""));
}

TEST_CASE("when memory runs out the collector is asked, and then there is some") {
  MockGpu mock(Settings{{"AVENIR_MOCK_MEMORY", "1e6"}});
  Device& gpu = mock.device();
  std::vector<Buffer> garbage;
  int calls = 0;
  device::set_collector([&] {
    ++calls;
    garbage.clear();
  });
  for (int i = 0; i < 50; ++i) garbage.push_back(gpu.allocate(Type::kDouble, 10000));
  CHECK(calls > 0);
  CHECK(calls <= 25);
  CHECK(mock.statistic("bytes") <= 1000000);
}

TEST_CASE("transfers of many pieces arrive whole, also as floats") {
  MockGpu mock;
  Device& gpu = mock.device();
  const size_t count = (size_t{9} << 20) + 5;  // three pieces of doubles
  std::vector<double> x(count), back(count);
  for (size_t i = 0; i < count; ++i) x[i] = static_cast<double>(i % 8191) + 0.25;
  for (const Type type : {Type::kDouble, Type::kFloat}) {
    const Buffer buffer = gpu.allocate(type, count);
    gpu.put(x.data(), buffer, 0, count);
    gpu.get(buffer, 0, count, back.data());
    CHECK(back == x);
    gpu.get(buffer, count - 3, 3, back.data());
    CHECK(back[2] == x[count - 1]);
  }
}

TEST_CASE("after an error that lasts the GPU is lost, and says so ever after") {
  MockGpu mock;
  Device& gpu = mock.device();
  const Buffer x = gpu.allocate(Type::kDouble, 4);
  mock.set("AVENIR_MOCK_FAIL", "cuStreamSynchronize:700");
  const auto first = error_of([&] { gpu.sync(); });
  CHECK(first.kind() == ErrorKind::kDisconnected);
  CHECK(says(first.what(), "GPU 0 (Mock) is lost"));
  mock.set("AVENIR_MOCK_FAIL", "");
  const auto later = error_of([&] { gpu.put(ones(4).data(), x, 0, 4); });
  CHECK(later.kind() == ErrorKind::kDisconnected);
  CHECK(says(later.what(), "is lost since"));
  CHECK(says(later.what(), "Restart R"));
}

TEST_CASE("another error of the driver leaves the GPU as it was") {
  MockGpu mock;
  Device& gpu = mock.device();
  mock.set("AVENIR_MOCK_FAIL", "cuMemcpyHtoDAsync_v2:1");
  const Buffer x = gpu.allocate(Type::kDouble, 4);
  CHECK(error_of([&] { gpu.put(ones(4).data(), x, 0, 4); }).kind() == ErrorKind::kInternal);
  mock.set("AVENIR_MOCK_FAIL", "");
  gpu.put(ones(4).data(), x, 0, 4);
}

TEST_CASE("arrays of two devices do not mix, and short ones are refused") {
  MockGpu mock(Settings{{"AVENIR_MOCK_DEVICES", "2"}});
  Device &one = mock.device(0), &other = mock.device(1);
  const Buffer x = one.allocate(Type::kDouble, 4), y = other.allocate(Type::kDouble, 4);
  CHECK(error_of([&] { one.copy(x, 0, y, 0, 4); }).kind() == ErrorKind::kInvalid);
  CHECK(error_of([&] { one.copy(x, 2, x, 0, 4); }).kind() == ErrorKind::kInvalid);
  other.put(ones(4).data(), y, 0, 4);
  one.put(ones(4).data(), x, 0, 4);
}

TEST_CASE("a fork of a process that used a GPU is told so, and ends in peace") {
  MockGpu mock;
  Device& gpu = mock.device();
  Buffer x = gpu.allocate(Type::kDouble, 4);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool forked = device::is_forked_from_gpu_user();
    const bool refused = says(error_of([&] { device::gpu_device(0); }).what(), "before this process was forked") &&
                         says(error_of([&] { gpu.sync(); }).what(), "before this process was forked");
    x = Buffer();
    ::_exit(forked && refused ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK_FALSE(device::is_forked_from_gpu_user());
}

TEST_CASE("code that the compiler refuses is our bug, with the compiler's words") {
  MockGpu mock(Settings{{"AVENIR_MOCK_FAIL", "nvrtcCompileProgram:6"}});
  Device& gpu = mock.device();
  const Buffer x = gpu.allocate(Type::kDouble, 4), out = gpu.allocate(Type::kDouble, 4);
  const auto error = error_of([&] { gpu.transpose(x, 2, 2, out); });
  CHECK(error.kind() == ErrorKind::kInternal);
  CHECK(says(error.what(), "nvrtcCompileProgram() gave 6"));
}
