// Pipes and the like, whose readers may be slow, stall or never come: nobody waits for them deaf to signals.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

#include "disk.h"
#include "stop_signal.h"

namespace weir::sensor {

bool IsFifo(const std::string& path);

// Opens a FIFO for which there is a reader within a few seconds. Throws SensorError where there is none, or
// where the sensor is told to stop before.
Descriptor OpenFifo(const std::string& path, StopSignal* signal);

// For what a reader takes at its own speed.
enum class Patience : std::uint8_t {
  kUntilStop,  // waits as long as it takes, and 3 s in all once the sensor is told to stop
  kShort,      // waits 1 s in each Write(), as others wait for the writer
};

class PipeWriter {
 public:
  // `signal` outlives this object.
  PipeWriter(StopSignal* signal, Patience patience) : signal_(signal), patience_(patience) {}

  StopSignal* signal() const { return signal_; }
  // Writes all of it; `written` says how much where that fails. timed_out where the reader takes no more.
  std::error_code Write(int descriptor, std::span<const std::byte> bytes, std::size_t* written);

 private:
  using Clock = std::chrono::steady_clock;

  bool MayWaitLonger();

  StopSignal* signal_;
  Patience patience_;
  Clock::duration waited_ = {};  // in this Write(), or since the stop
};

// Why a write failed, for messages.
std::string ReasonOf(const std::error_code& error);

}  // namespace weir::sensor
