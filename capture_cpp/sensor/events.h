// What the sensor says on stderr: one JSON object a line, and the error that ends it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "json.h"

namespace weir::sensor {

// The numbers are those of weir.errors, so that an exit code means the same everywhere.
enum class ExitCode : int {
  kDone = 0,
  kMistake = 1,   // of ours
  kSettings = 2,  // a setting or argument is missing, unknown or out of range
  kSpool = 4,     // the spool cannot be written, is held by another sensor, or packets were lost to the disk
  kCapture = 6,   // the interface or file cannot be opened or read
};

// Ends the sensor; the message says what, where and what to do.
class SensorError : public std::runtime_error {
 public:
  SensorError(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// Writes one line; `fields` begins with Event().
void Say(const JsonObject& fields);
JsonObject Event(std::string_view name);

}  // namespace weir::sensor
