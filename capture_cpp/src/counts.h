// How many packets went where. read = accepted + everything set aside, always.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "oddity.h"
#include "packet.h"

namespace weir {

struct Counts {
  std::uint64_t read = 0;
  std::array<std::uint64_t, kOutcomes> outcomes{};
  std::array<std::uint64_t, kOddities> oddities{};
  std::uint64_t truncated_tails = 0;  // captures that end inside a record
  std::uint64_t empty_files = 0;      // captures of no bytes at all
  std::uint64_t unread_applications = 0;  // flows whose first bytes went unread, as memory was short

  void Count(Outcome outcome) { ++outcomes[static_cast<std::size_t>(outcome)]; }
  void Count(Oddity oddity) { ++oddities[static_cast<std::size_t>(oddity)]; }
  // A packet that was counted as `from` has turned out to be `to`.
  void Recount(Outcome from, Outcome to) {
    --outcomes[static_cast<std::size_t>(from)];
    Count(to);
  }
  void Count(const Oddities& odd) {
    for (std::uint32_t bits = odd.bits(); bits != 0; bits &= bits - 1) {
      ++oddities[static_cast<std::size_t>(std::countr_zero(bits))];
    }
  }
  std::uint64_t Of(Outcome outcome) const { return outcomes[static_cast<std::size_t>(outcome)]; }
  std::uint64_t Of(Oddity oddity) const { return oddities[static_cast<std::size_t>(oddity)]; }

  bool IsBalanced() const;

  // Names and numbers in a fixed order, zeros included.
  std::vector<std::pair<std::string, std::uint64_t>> Named() const;
};

}  // namespace weir
