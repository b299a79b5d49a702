// One place finished flow rows go to.
#pragma once

#include <cstdint>
#include <string>

#include "flows/rows.h"

namespace weir::sensor {

// What became of rows: taken = delivered + all that were dropped, once the target is closed.
struct TargetCounts {
  std::uint64_t taken = 0;
  std::uint64_t delivered = 0;     // a broker said so, a file took them, or they were sent (UDP tells no more)
  std::uint64_t drop_queue = 0;    // the queue for a broker was full
  std::uint64_t drop_refused = 0;  // the broker refused them
  std::uint64_t drop_failed = 0;   // a write or send failed
  std::uint64_t drop_stopped = 0;  // still waiting when the sensor stopped

  std::uint64_t Dropped() const { return drop_queue + drop_refused + drop_failed + drop_stopped; }
};

class FlowTarget {
 public:
  virtual ~FlowTarget() = default;
  // Called once before the first rows, with the sandbox closed.
  virtual void Start() {}
  // `now_us` is the packet time reached.
  virtual void Take(const Rows& rows, std::int64_t now_us) = 0;
  // No more rows; gives those that wait a bounded time to get out.
  virtual void Close() = 0;
  virtual TargetCounts counts() const = 0;
  // False where nothing more can ever be delivered, as into a closed pipe.
  virtual bool is_open() const { return true; }
  // The name its --flows gave it.
  virtual const std::string& name() const = 0;
};

}  // namespace weir::sensor
