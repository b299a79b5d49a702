// Bytes in a heap buffer of exactly their size: in a capture the next record follows at once, and
// a read into it would stay invisible.
#pragma once

#include <cstring>
#include <memory>

#include "bytes.h"

namespace weir::test {

class ExactBytes {
 public:
  explicit ExactBytes(Bytes bytes) : size_(bytes.size()), bytes_(new std::uint8_t[size_]) {
    if (size_ > 0) {
      std::memcpy(bytes_.get(), bytes.data(), size_);
    }
  }
  Bytes bytes() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::uint8_t[]> bytes_;
};

}  // namespace weir::test
