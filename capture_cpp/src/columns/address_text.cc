#include "columns/address_text.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "hex.h"

namespace weir {
namespace {

constexpr std::size_t kGroups = 8;

// "0." to "255.": an octet and the dot behind it.
struct Octet {
  std::array<char, 4> letters;
  std::uint32_t size;
};

constexpr std::array<Octet, 256> MakeOctets() {
  std::array<Octet, 256> octets{};
  for (unsigned value = 0; value < octets.size(); ++value) {
    Octet& octet = octets[value];
    for (unsigned unit = 100; unit > 0; unit /= 10) {
      if (value >= unit || unit == 1) {
        octet.letters[octet.size++] = static_cast<char>('0' + value / unit % 10);
      }
    }
    octet.letters[octet.size++] = '.';
  }
  return octets;
}

constexpr std::array<Octet, 256> kOctets = MakeOctets();

char* WriteV4(std::uint64_t address, char* to) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    const Octet& octet = kOctets[address >> shift & 0xff];
    std::memcpy(to, octet.letters.data(), octet.letters.size());
    to += octet.size;
  }
  return to - 1;
}

// A group in hexadecimal, without leading zeros.
char* WriteGroup(std::uint32_t group, char* to) {
  int shift = group > 0xfff ? 12 : group > 0xff ? 8 : group > 0xf ? 4 : 0;
  for (; shift >= 0; shift -= 4) {
    *to++ = kHexDigits[group >> shift & 0xf];
  }
  return to;
}

struct Run {
  std::size_t begin;
  std::size_t size;
};

// The longest run of two zero groups or more, the first of such; of size 0 when there is none.
Run LongestZeros(const std::array<std::uint32_t, kGroups>& groups) {
  Run longest{kGroups, 0};
  for (std::size_t at = 0; at < kGroups; ++at) {
    std::size_t end = at;
    while (end < kGroups && groups[end] == 0) {
      ++end;
    }
    if (end - at > std::max<std::size_t>(longest.size, 1)) {
      longest = {at, end - at};
    }
    at = end;
  }
  return longest;
}

// The last two groups of an IPv4-mapped or IPv4-compatible address are written as IPv4.
bool EndsAsV4(const std::array<std::uint32_t, kGroups>& groups, const Run& zeros) {
  return zeros.begin == 0 && (zeros.size == 6 || (zeros.size == 5 && groups[5] == 0xffff));
}

char* WriteV6(const Address& address, char* to) {
  std::array<std::uint32_t, kGroups> groups;
  for (std::size_t i = 0; i < kGroups; ++i) {
    groups[i] = (i < 4 ? address.high : address.low) >> (48 - 16 * (i % 4)) & 0xffff;
  }
  const Run zeros = LongestZeros(groups);
  const bool ends_as_v4 = EndsAsV4(groups, zeros);
  for (std::size_t i = 0; i < (ends_as_v4 ? 6 : kGroups); ++i) {
    if (i >= zeros.begin && i < zeros.begin + zeros.size) {
      i = zeros.begin + zeros.size - 1;
      *to++ = ':';
      if (i + 1 == kGroups) {
        *to++ = ':';
      }
      continue;
    }
    if (i > 0) {
      *to++ = ':';
    }
    to = WriteGroup(groups[i], to);
  }
  if (ends_as_v4) {
    *to++ = ':';
    to = WriteV4(address.low, to);
  }
  return to;
}

}  // namespace

char* WriteAddress(const Address& address, std::int32_t ip_version, char* to) {
  return ip_version == 4 ? WriteV4(address.low, to) : WriteV6(address, to);
}

}  // namespace weir
