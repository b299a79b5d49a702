// Numbers and letters out of byte spans. The caller has checked the length; a debug build checks it again.
#pragma once

#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <span>

namespace weir {

using Bytes = std::span<const std::uint8_t>;

static_assert(std::endian::native == std::endian::little, "the readers below assume a little-endian machine");

template <typename Number>
inline Number ReadLittle(Bytes bytes, std::size_t at) {
  assert(at + sizeof(Number) <= bytes.size());
  Number value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

inline std::uint8_t Read8(Bytes bytes, std::size_t at) {
  assert(at < bytes.size());
  return bytes[at];
}

inline std::uint16_t ReadBig16(Bytes bytes, std::size_t at) {
  return __builtin_bswap16(ReadLittle<std::uint16_t>(bytes, at));
}

inline std::uint32_t ReadBig32(Bytes bytes, std::size_t at) {
  return __builtin_bswap32(ReadLittle<std::uint32_t>(bytes, at));
}

inline std::uint64_t ReadBig64(Bytes bytes, std::size_t at) {
  return __builtin_bswap64(ReadLittle<std::uint64_t>(bytes, at));
}

// Copies a name or a line. Where GCC 12 can tell that there are only few bytes, though not how few, it makes a string instruction of
// memcpy, which takes longer to start than they take to be copied; so it is not told.
[[gnu::always_inline]] inline void CopyFew(void* to, const void* from, std::size_t size) {
  asm("" : "+r"(size));  // NOLINT(portability-no-assembler): it holds no instruction of any machine
  std::memcpy(to, from, size);
}

// Reads numbers of the byte order that a file declared.
class Order {
 public:
  explicit Order(bool is_big = false) : is_big_(is_big) {}
  bool is_big() const { return is_big_; }
  std::uint16_t Read16(Bytes bytes, std::size_t at) const {
    return is_big_ ? ReadBig16(bytes, at) : ReadLittle<std::uint16_t>(bytes, at);
  }
  std::uint32_t Read32(Bytes bytes, std::size_t at) const {
    return is_big_ ? ReadBig32(bytes, at) : ReadLittle<std::uint32_t>(bytes, at);
  }
  std::uint64_t Read64(Bytes bytes, std::size_t at) const {
    return is_big_ ? ReadBig64(bytes, at) : ReadLittle<std::uint64_t>(bytes, at);
  }

 private:
  bool is_big_;
};

}  // namespace weir
