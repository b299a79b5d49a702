// The clocks of this machine, for what is about the sensor and not about packets.
#pragma once

#include <cstdint>
#include <ctime>

#include "segment_format.h"

namespace weir::sensor {

inline std::int64_t NowMicroseconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return now.tv_sec * kMicrosecondsPerSecond + now.tv_nsec / 1000;
}

}  // namespace weir::sensor
