// The process that looks up one name, beside the sensor.
//
// It is a copy of the sensor as it was when it was started; whoever starts it first of all gives it no
// packet and no key. It gives up its rights before it answers, and ends with the sensor.
#pragma once

#include <string>

#include "capture_options.h"
#include "disk.h"

namespace weir::sensor {

// An answer: numeric addresses, the preferred first, each with a newline behind it; one newline for none.
inline constexpr std::size_t kMostAnswerBytes = 4096;  // more than any name needs: 80 IPv6 addresses

// The socket to ask at: any byte is a question. Call it while there is one thread only. Throws SensorError
// where the process cannot become `options.user`.
Descriptor StartLookUp(const std::string& host, const Options& options);

// Starts such a process, which prints a line for each of its promises. True where it keeps all.
bool CheckLookUp(const std::string& host, const Options& options);

}  // namespace weir::sensor
