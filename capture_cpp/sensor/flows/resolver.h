// Looks a host up again and again, from behind the sandbox, where that takes more than is allowed.
//
// A child process, forked before, holds no packet, no key and no file: it does nothing but look up the
// one name it was made for whenever it is asked. It ends with the sensor.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "disk.h"

namespace weir::sensor {

class Resolver {
 public:
  // Numeric addresses need no child. Call it while there is one thread only.
  explicit Resolver(std::string host);

  // Numeric addresses, the preferred first; none where the name is not known now.
  std::vector<std::string> Ask(std::chrono::milliseconds patience);

 private:
  std::string host_;
  bool is_address_;
  Descriptor child_;
};

// The same without a child, for the time before the sandbox.
std::vector<std::string> AddressesOf(const std::string& host);

bool IsLoopback(const std::string& address);

}  // namespace weir::sensor
