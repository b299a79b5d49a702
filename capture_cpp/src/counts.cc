#include "counts.h"

#include <numeric>

namespace weir {
namespace {

constexpr std::array<const char*, kOutcomes> kOutcomeNames{
    "accepted", "non_ip", "unknown_link", "short_l2", "short_l3", "short_l4", "nest", "zero_length", "fragment", "decode_error",
};
constexpr std::array<const char*, 4> kOddityNames{"odd_cut_packet", "odd_length", "odd_time", "odd_out_of_order"};

}  // namespace

bool Counts::IsBalanced() const { return read == std::accumulate(outcomes.begin(), outcomes.end(), std::uint64_t{0}); }

std::vector<std::pair<std::string, std::uint64_t>> Counts::Named() const {
  std::vector<std::pair<std::string, std::uint64_t>> named{{"read", read}};
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    named.emplace_back(kOutcomeNames[i], outcomes[i]);
  }
  for (std::size_t i = 0; i < oddities.size(); ++i) {
    named.emplace_back(kOddityNames[i], oddities[i]);
  }
  named.emplace_back("odd_truncated_tail", truncated_tails);
  named.emplace_back("odd_empty_file", empty_files);
  named.emplace_back("odd_unread_application", unread_applications);
  return named;
}

}  // namespace weir
