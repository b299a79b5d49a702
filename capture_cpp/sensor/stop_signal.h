// Signals as a file descriptor, so that the capture loop can wait for packets and signals at once.
#pragma once

namespace weir::sensor {

enum class Wish { kNone, kSeal, kStop };

// Blocks SIGTERM, SIGINT and SIGHUP in this thread and in those it starts later.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  int descriptor() const { return descriptor_; }
  // What was asked for since the last call, without waiting. A stop, once asked for, stays.
  Wish Take();

 private:
  int descriptor_;
  bool stopping_ = false;
};

}  // namespace weir::sensor
