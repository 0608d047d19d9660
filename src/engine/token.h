#pragma once

#include <cstdint>

namespace avenir::engine {

// What a token of the engine's poller stands for, in its upper half; the lower half is the id of a worker, node or
// launch.
enum Token : uint64_t { kWake = 1, kTemplate, kData, kProcess, kNode, kLaunch, kCompanion };
inline uint64_t token(Token kind, uint32_t id = 0) { return (static_cast<uint64_t>(kind) << 32) | id; }

}  // namespace avenir::engine
