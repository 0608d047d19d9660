#pragma once

namespace avenir::rbridge {

// TRUE while R's writer writes for another process of ours: what means something in this process only may then be
// written as what it is made from. A jump out of the writer leaves it on until the next object has been written.
//
// R thread only.
bool is_travelling();
void set_travelling(bool on);

}  // namespace avenir::rbridge
