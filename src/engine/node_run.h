#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "sys/byte_stream.h"

namespace avenir::engine {

struct NodeEnding {
  std::string reason;
  bool refused;  // the session would not have it
};

// The life of a node, on the main thread: starts an engine with these options (whose template starts while `connect`
// connects), serves the session with as many workers as the hello says, and returns when that is over, with all workers
// gone. It is over when the session says so, hangs up or falls silent, when this process gets SIGTERM, and when its
// parent ends, so that nothing stays behind whoever is killed.
NodeEnding run_node(EngineOptions options, const wire::NodeHello& hello,
                    const std::function<std::unique_ptr<sys::ByteStream>()>& connect);

}  // namespace avenir::engine
