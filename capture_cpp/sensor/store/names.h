// How the files of a spool are called: <sensor>-<boot>-<seq> and a suffix; hidden ones have a dot in front.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::sensor {

// One segment of one start of a sensor.
struct Stem {
  std::string boot;  // 16 hexadecimal digits
  std::uint64_t seq = 0;

  std::string Text(const std::string& sensor) const;
  auto operator<=>(const Stem&) const = default;
};

// Nothing where `name` is not that of a segment of this sensor with this suffix.
std::optional<Stem> ParseStem(const std::string& sensor, std::string_view name, std::string_view suffix);

// Whether it is what a salvage of this sensor was writing when it was killed: a second file for the
// frames of an unfinished segment, hidden behind the name of the first.
bool IsCopyOfPart(const std::string& sensor, std::string_view name);

// Whether it is a manifest of this sensor that was not yet whole when the sensor was killed.
bool IsManifestPart(const std::string& sensor, std::string_view name);

std::string LockName(const std::string& sensor);
std::string CheckpointName(const std::string& sensor, const std::string& boot);
std::string StateName(const std::string& sensor, const std::string& boot);
// Whether it is a state file of any start of this sensor, whole or not.
bool IsStateName(const std::string& sensor, std::string_view name);
// The boot in the name of a checkpoint of this sensor.
std::optional<std::string> BootOfCheckpoint(const std::string& sensor, std::string_view name);

// Which start of the sensor this is: milliseconds since 1970 and a random part, so that names sort
// by time and two starts never share one.
std::string NewBootId();

}  // namespace weir::sensor
