// A time in which an interface could not bring packets, or brought none.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>

#include "clock.h"

namespace weir::sensor {

// One moment by both clocks: the wall clock is that of packets, the monotonic one is never set.
struct Moment {
  std::int64_t wall_us = 0;
  std::int64_t mono_us = 0;

  static Moment Now() { return {NowMicroseconds(CLOCK_REALTIME), NowMicroseconds(CLOCK_MONOTONIC)}; }
};

struct Gap {
  std::string interface;
  std::string reason;  // "link_down", "removed" or "silent"
  Moment start;
  Moment end;  // zeros while it lasts

  bool lasts() const { return end.mono_us == 0; }
};

}  // namespace weir::sensor
