// The one error of the reader: which file, where in it, what is wrong and what to do.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace weir {

class CaptureError : public std::runtime_error {
 public:
  // `offset` counts bytes of the uncompressed capture.
  CaptureError(const std::string& file, std::uint64_t offset, const std::string& what)
      : std::runtime_error(file + ":" + std::to_string(offset) + ": " + what) {}

  // Of a file as a whole.
  CaptureError(const std::string& file, const std::string& what) : std::runtime_error(file + ": " + what) {}
};

}  // namespace weir
