// Any bytes as packets. The first byte chooses the link type; then come packets, each after two
// bytes of length. Each is decoded from a heap buffer of exactly its size, so that the sanitizer
// sees a read into what would be the next record.
#include <algorithm>
#include <array>

#include "decoder.h"
#include "exact_bytes.h"
#include "link_type.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using weir::fuzz::Require;
  constexpr std::array kLinks{weir::kLinkEthernet,   weir::kLinkRaw,        weir::kLinkNull,       weir::kLinkLoop,  weir::kLinkLinuxSll,
                              weir::kLinkLinuxSll2,  weir::kLinkPpp,        weir::kLinkIpv6,       weir::kLinkNflog, weir::kLinkIeee80211,
                              weir::kLinkRadiotap,   weir::kLinkPflog,      weir::kLinkPppHdlc,    weir::kLinkEnc,   weir::kLinkPppWithDirection,
                              weir::kLinkAtmRfc1483, weir::kLinkCiscoHdlc,  weir::kLinkPppEther};
  if (size < 1) {
    return 0;
  }
  weir::Counts odd;
  weir::Decoder decoder(weir::kIdentitySeed, &odd);
  weir::Packet packet{};
  const std::uint32_t link_type = kLinks[data[0] % kLinks.size()];
  std::int64_t time_us = 0;
  for (std::size_t at = 1; at + 2 <= size;) {
    const std::size_t length = std::min<std::size_t>(weir::ReadBig16({data, size}, at), size - at - 2);
    const weir::fuzz::ExactBytes exact({data + at + 2, length});
    at += 2 + length;
    const auto wire_bytes = static_cast<std::uint32_t>(length) + (length % 3 == 0 ? 100u : 0u);
    const weir::Record record{.bytes = exact.bytes(),
                              .wire_bytes = wire_bytes,
                              .link_type = link_type,
                              .time_us = ++time_us,
                              .rest_ns = 0,
                              .offset = at,
                              .is_time_odd = false};
    const weir::Outcome outcome = decoder.Decode(record, &packet);
    Require(static_cast<std::size_t>(outcome) < weir::kOutcomes, "each packet has a known outcome");
    if (outcome == weir::Outcome::kAccepted) {
      Require(packet.ip_bytes <= wire_bytes, "no packet is longer than its frame");
      Require(packet.payload <= packet.ip_bytes && packet.payload + packet.header <= packet.ip_bytes, "headers and payload fit the packet");
      Require(!(packet.key.b < packet.key.a), "both directions have the same key");
    }
  }
  return 0;
}
