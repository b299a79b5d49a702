#include "capture/clock_watch.h"

#include <cstdlib>

#include "events.h"

namespace weir::sensor {
namespace {

constexpr std::int64_t kLeastStepUs = kMicrosecondsPerSecond / 2;

}  // namespace

std::optional<std::int64_t> ClockWatch::Look(const std::string& interface, Moment now) {
  const std::int64_t ahead_us = now.wall_us - now.mono_us;
  const std::int64_t step_us = ahead_us - ahead_us_.value_or(ahead_us);
  ahead_us_ = ahead_us;
  if (std::abs(step_us) < kLeastStepUs) return std::nullopt;
  Say(Event("clock_step").Text("interface", interface).Number("step_us", step_us).Number("wall_us", now.wall_us).Number("mono_us", now.mono_us)
          .Text("what", "the wall clock was set, and with it the times of packets; segments end by the monotonic clock"));
  return step_us;
}

}  // namespace weir::sensor
