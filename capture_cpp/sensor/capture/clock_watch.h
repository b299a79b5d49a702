// Notices that the wall clock was set.
#pragma once

#include <optional>
#include <string>

#include "gap.h"

namespace weir::sensor {

class ClockWatch {
 public:
  // Says `clock_step` where the wall clock went otherwise than the monotonic one since the last call, by half a second
  // or more. Returns by how much, in us; a slow correction (NTP) is none.
  std::optional<std::int64_t> Look(const std::string& interface, Moment now);

 private:
  std::optional<std::int64_t> ahead_us_;  // of the wall clock
};

}  // namespace weir::sensor
