#pragma once

#include <cstdint>
#include <optional>

namespace avenir::sys {

// Bytes of memory that only this process uses: what it shares with others (files, memory files) does not count. 0 where
// the system does not say.
uint64_t private_memory();

// How often the system has ended a process for lack of memory, in this process's control group or, where that is not
// known, on the whole machine. Empty where the system does not say.
std::optional<uint64_t> out_of_memory_kills();

}  // namespace avenir::sys
