#include "rbridge/travel.h"

namespace avenir::rbridge {

namespace {

bool travelling = false;

}  // namespace

bool is_travelling() { return travelling; }
void set_travelling(bool on) { travelling = on; }

}  // namespace avenir::rbridge
