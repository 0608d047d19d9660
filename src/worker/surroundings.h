#pragma once

#include "rbridge/unwind.h"

namespace avenir::worker {

// What evaluated code may leave behind, at a glance: connections, graphics devices, and whether it has opened the
// default device, which is noted in variable `opened_device` of an environment. R tells the details (look_around() in
// R/map-kernel.R). R thread only; note() and changed() may jump.
class Surroundings {
 public:
  void note();
  bool changed(SEXP notes) const;

 private:
  rbridge::Preserved connections_;
  int devices_ = 0;
  bool watches_globals_ = false;  // as option future.globalenv.onMisuse asks: then R looks each time
};

}  // namespace avenir::worker
