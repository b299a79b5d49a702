#include "counts.h"

#include <numeric>

namespace weir {
namespace {

constexpr std::array<const char*, kOutcomes> kOutcomeNames{
    "accepted", "non_ip", "unknown_link", "short_l2", "short_l3", "short_l4", "nest", "zero_length", "fragment", "decode_error",
};
constexpr std::array<const char*, kOddities> kOddityNames{
    "odd_cut_packet",
    "odd_time",
    "odd_out_of_order",
    "odd_link_source",
    "odd_link_length",
    "odd_link_trailer",
    "odd_network_length",
    "odd_network_checksum",
    "odd_network_reserved_flag",
    "odd_network_ttl",
    "odd_network_address",
    "odd_network_land",
    "odd_network_options",
    "odd_network_extensions",
    "odd_network_fragment",
    "odd_network_fragment_overlap",
    "odd_transport_checksum",
    "odd_transport_length",
    "odd_transport_port",
    "odd_transport_reserved",
    "odd_transport_null",
    "odd_transport_xmas",
    "odd_transport_syn_fin",
    "odd_transport_syn_rst",
    "odd_transport_fin_alone",
    "odd_transport_syn_payload",
    "odd_checksum_offload",
};

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
