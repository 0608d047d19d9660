#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace avenir::sys {

// Bytes of memory that only this process uses: what it shares with others (files, memory files) does not count. 0 where
// the system does not say.
uint64_t private_memory();

// Bytes of memory that a process of this machine has in use, what it shares with others included. Empty where the
// system does not say, or there is no such process.
std::optional<uint64_t> resident_memory(int pid);

// How often the system has ended a process for lack of memory, in this process's control group or, where that is not
// known, on the whole machine. Empty where the system does not say.
std::optional<uint64_t> out_of_memory_kills();

// Bytes that this process and others like it can still take before the system ends one of them: what the machine and
// this process's control group have left, what can be given back included. The largest number where nobody says.
uint64_t available_memory();

// All that there is of it, for this process's control group.
uint64_t total_memory();

// Are the pages of this mapping of a file still the file's own? Pages that were written to have been copied. `known` is
// false where the system does not say.
struct Cleanness {
  bool known, clean;
};
Cleanness private_mapping_cleanness(const void* data, size_t size);

}  // namespace avenir::sys
