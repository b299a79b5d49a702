// Any bytes as packets. The first byte chooses the link type, and its highest bit whether checksums
// are put right; then come packets, each after two bytes of length. Each is decoded from a heap
// buffer of exactly its size, so that the sanitizer sees a read into what would be the next record;
// and once more header by header, which must come to the same.
#include <algorithm>
#include <array>
#include <vector>

#include "decode/decoder.h"
#include "exact_bytes.h"
#include "link_type.h"
#include "require.h"
#include "same_packet.h"
#include "sound_sums.h"

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
  weir::Counts odd_by_headers;
  weir::Decoder by_headers(weir::kIdentitySeed, &odd_by_headers);
  weir::Packet packet_by_headers{};
  constexpr unsigned kSumsAreSound = 0x80;
  const std::uint32_t link_type = kLinks[(data[0] & ~kSumsAreSound) % kLinks.size()];
  std::int64_t time_us = 0;
  for (std::size_t at = 1; at + 2 <= size;) {
    const std::size_t length = std::min<std::size_t>(weir::ReadBig16({data, size}, at), size - at - 2);
    std::vector<std::uint8_t> frame(data + at + 2, data + at + 2 + length);
    if ((data[0] & kSumsAreSound) != 0) {
      weir::test::MakeSumsSound(frame);
    }
    const weir::test::ExactBytes exact(frame);
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
    Require(outcome == by_headers.DecodeByHeaders(record, &packet_by_headers), "both ways have the same outcome");
    Require(odd.oddities == odd_by_headers.oddities, "both ways find the same odd");
    if (outcome == weir::Outcome::kAccepted) {
      Require(weir::test::IsSame(packet, packet_by_headers), "both ways come to the same packet");
      Require(packet.ip_bytes <= wire_bytes, "no packet is longer than its frame");
      Require(packet.payload <= packet.ip_bytes && packet.payload + packet.header <= packet.ip_bytes, "headers and payload fit the packet");
      Require(!(packet.key.b < packet.key.a), "both directions have the same key");
    }
  }
  return 0;
}
