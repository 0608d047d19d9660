#pragma once

#include <string>

#include "engine/engine.h"
#include "wire/node_message.h"

namespace avenir::testing {

// The test program started as a stand-in for R:  tests --fake <behaviour> <folder> <mode>
//
// `mode` is what the engine appends: template, template:watch, worker, worker:watch (and "session", of our
// own: an engine that waits to be killed). `folder` is the plan's temporary folder. `behaviour`:
//   well              serves as it should
//   exits             writes "no R here" to its standard error and ends with code 7, whatever the mode
//   template-exits    so does the template only
//   template-mute     the template never says hello
//   template-garbage  the template sends bytes that are no frame
//   template-lies     the template says hello, then sends a frame whose body is too short
//   template-threads  the template has a second thread, so that it must not fork
//   worker-mute       workers never say hello
//   worker-other      workers say hello in another protocol version
//   worker-exits      workers end with code 7 before their hello
//
// A worker's tasks, and each element of its maps, are commands in plain text; see fake_worker.cpp.
//
// Mode "node": a node with two workers, its socket as descriptor 3.
constexpr char kFakeMark[] = "--fake";

// What such a node says first.
wire::NodeHello fake_node_hello(unsigned workers = 2);
// Of a session that has no workers of its own and takes such nodes.
engine::EngineOptions options_for_nodes();

[[noreturn]] void run_fake(const std::string& behaviour, const std::string& folder, const std::string& mode);

}  // namespace avenir::testing
