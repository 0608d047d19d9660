// A compiler of kernels: for the host, with its C++ compiler.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

#include "mock.h"

#ifndef MOCK_FOLDER
#error "MOCK_FOLDER is where host_cuda.h lies"
#endif

namespace {

struct Program {
  std::string source, log, image;
};

Program* at(void* program) { return static_cast<Program*>(program); }

// Of the functions that are kernels.
std::vector<std::string> kernel_names(const std::string& source) {
  std::vector<std::string> names;
  const std::string mark = "extern \"C\" __global__ ";
  for (size_t at = source.find(mark); at != std::string::npos; at = source.find(mark, at + 1)) {
    size_t begin = source.find("void ", at) + 5;
    if (source.compare(begin, 17, "__launch_bounds__") == 0) begin = source.find(") ", begin) + 2;
    names.push_back(source.substr(begin, source.find('(', begin) - begin));
  }
  return names;
}

std::string content_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string host_source(const std::string& source) {
  std::string text = content_of(MOCK_FOLDER "/host_cuda.h") + source;
  for (const std::string& name : kernel_names(source)) text += "HOST_ENTRY(" + name + ")\n";
  return text;
}

bool exists(const std::string& path) { return ::access(path.c_str(), R_OK) == 0; }

std::string command() {
  return mock::text("AVENIR_MOCK_CXX", "c++ -fno-gnu-unique") +
         " -std=c++17 -O1 -w -fPIC -shared -fvisibility=hidden -ffp-contract=off";
}

// Under the name of its text, so that each kernel is compiled once by all processes.
int compile(Program& program) {
  const std::string text = host_source(program.source);
  const std::string folder = mock::text("AVENIR_MOCK_CACHE", mock::text("TMPDIR", "/tmp").c_str());
  const std::string base = folder + "/avenir-kernel-" + std::to_string(std::hash<std::string>()(command() + text));
  const std::string own = base + "-" + std::to_string(::getpid());
  program.image = mock::kImage + base + ".so";
  if (exists(base + ".so")) return 0;
  std::ofstream(own + ".cpp") << text;
  const std::string line = command() + " -o '" + own + ".so' '" + own + ".cpp' >'" + own + ".log' 2>&1";
  const int status = std::system(line.c_str());
  program.log = content_of(own + ".log");
  ::unlink((own + ".log").c_str());
  ::unlink((own + ".cpp").c_str());
  if (status == 0) std::rename((own + ".so").c_str(), (base + ".so").c_str());
  return status == 0 ? 0 : 6;
}

}  // namespace

MOCK int nvrtcVersion(int* major, int* minor) {
  return std::sscanf(mock::text("AVENIR_MOCK_NVRTC", "13.0").c_str(), "%d.%d", major, minor) == 2 ? 0 : 1;
}
MOCK int nvrtcGetNumSupportedArchs(int* count) {
  *count = 3;
  return 0;
}
MOCK int nvrtcGetSupportedArchs(int* architectures) {
  architectures[0] = 80, architectures[1] = 90, architectures[2] = 100;
  return 0;
}
MOCK int nvrtcCreateProgram(void** program, const char* source, const char*, int, const char* const*,
                            const char* const*) {
  *program = new Program{source, "", ""};
  return 0;
}
MOCK int nvrtcDestroyProgram(void** program) {
  delete at(*program);
  return 0;
}
MOCK int nvrtcCompileProgram(void* program, int, const char* const*) {
  MOCK_MAY_FAIL("nvrtcCompileProgram");
  return compile(*at(program));
}
MOCK int nvrtcGetProgramLogSize(void* program, size_t* size) {
  *size = at(program)->log.size() + 1;
  return 0;
}
MOCK int nvrtcGetProgramLog(void* program, char* log) {
  std::memcpy(log, at(program)->log.c_str(), at(program)->log.size() + 1);
  return 0;
}
MOCK int nvrtcGetCUBINSize(void* program, size_t* size) {
  *size = at(program)->image.size() + 1;
  return 0;
}
MOCK int nvrtcGetCUBIN(void* program, char* image) {
  std::memcpy(image, at(program)->image.c_str(), at(program)->image.size() + 1);
  return 0;
}
MOCK int nvrtcGetPTXSize(void* program, size_t* size) { return nvrtcGetCUBINSize(program, size); }
MOCK int nvrtcGetPTX(void* program, char* image) { return nvrtcGetCUBIN(program, image); }
