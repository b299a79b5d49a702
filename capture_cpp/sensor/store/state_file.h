// What a running sensor is doing, for whoever looks into the spool: a small hidden file, written anew every ten seconds.
// docs/sensor.md lists the fields.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "counters.h"
#include "gap.h"

namespace weir::sensor {

class StateFile {
 public:
  StateFile(std::string sensor, std::string boot_id);

  // Writes it where it is due: every ten seconds, and at once where a gap begins or ends. A disk that takes no more
  // leaves the last one standing; whoever reads it sees its age.
  void Write(int folder, const std::string& source, const Counters& totals, const std::optional<Gap>& gap);
  void Remove(int folder) const;

 private:
  std::string sensor_;
  std::string boot_id_;
  std::chrono::steady_clock::time_point next_;
  std::int64_t gap_start_us_ = 0;  // of the gap that was written last; 0 = none
};

}  // namespace weir::sensor
