// Signals as a file descriptor, so that the capture loop can wait for packets and signals at once.
#pragma once

#include <atomic>
#include <cstdint>

namespace weir::sensor {

enum class Wish : std::uint8_t { kNone, kSeal, kStop };

// Blocks SIGTERM, SIGINT and SIGHUP in this thread and in those it starts later.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  int descriptor() const { return descriptor_; }
  // What was asked for, without waiting; any thread may ask. A stop, once asked for, stays. `seals_seen` is how many
  // seals this thread has heard of, from seals() at its start.
  Wish Take(std::uint64_t* seals_seen);
  std::uint64_t seals() const { return seals_; }
  // Whether a stop was asked for; any thread may look.
  bool is_stopping();
  // Asks for a stop from within.
  void Stop() { stopping_ = true; }

 private:
  int descriptor_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> seals_ = 0;
};

}  // namespace weir::sensor
