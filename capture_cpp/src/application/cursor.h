// Takes numbers and stretches off the front of some bytes. Once something is missing it stays
// failed and gives zeros, so a parser can look once, at the end.
#pragma once

#include "bytes.h"

namespace weir {

class Cursor {
 public:
  explicit Cursor(Bytes bytes) : rest_(bytes) {}

  std::uint8_t Take8() { return Has(1) ? Read8(Advance(1), 0) : std::uint8_t{0}; }
  std::uint16_t Take16() { return Has(2) ? ReadBig16(Advance(2), 0) : std::uint16_t{0}; }
  std::uint32_t Take24() {
    const std::uint32_t high = Take8();
    return high << 16 | Take16();
  }
  std::uint32_t Take32() { return Has(4) ? ReadBig32(Advance(4), 0) : 0; }
  Bytes Take(std::size_t size) { return Has(size) ? Advance(size) : Bytes(); }
  void Skip(std::size_t size) { Take(size); }

  bool is_good() const { return is_good_; }
  bool is_empty() const { return rest_.empty(); }
  Bytes rest() const { return rest_; }

 private:
  bool Has(std::size_t size) {
    is_good_ = is_good_ && size <= rest_.size();
    return is_good_;
  }
  Bytes Advance(std::size_t size) {
    const Bytes taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  Bytes rest_;
  bool is_good_ = true;
};

}  // namespace weir
