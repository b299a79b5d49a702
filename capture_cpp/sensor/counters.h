// The packet counts of a manifest and the two laws they obey.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weir::sensor {

struct Counters {
  std::uint64_t received = 0;           // handed to this sensor by the kernel or by the file
  std::uint64_t read = 0;               // seen by the capture thread
  std::uint64_t kernel_dropped = 0;     // lost because the ring was full
  std::uint64_t interface_dropped = 0;  // lost by the interface or its driver, before the kernel counted
  std::uint64_t unread = 0;             // left in the ring when the sensor stopped
  std::uint64_t filtered = 0;           // rejected by the filter in user space (files only)
  std::uint64_t written = 0;            // lie in the segment
  std::uint64_t drop_disk = 0;          // lost because the disk was full, failed or the sensor was killed
  std::uint64_t drop_spool = 0;         // given up because the spool reached its limit
  std::uint64_t truncated = 0;          // of those written, shorter than they were on the wire

  Counters& operator+=(const Counters& other);
  Counters& operator-=(const Counters& other);

  // received = kernel_dropped + read + unread, and read = filtered + written + drop_disk + drop_spool.
  // interface_dropped and truncated stand beside the sums.
  bool Balanced() const;
  bool AllZero() const;
};

struct CounterName {
  std::string_view name;
  std::uint64_t Counters::*field;
};
extern const std::array<CounterName, 10> kCounterNames;

}  // namespace weir::sensor
