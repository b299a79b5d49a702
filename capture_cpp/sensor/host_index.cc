#include "host_index.h"

#include <openssl/evp.h>

#include <algorithm>
#include <bit>

#include "decode/ip.h"
#include "decode/layer.h"
#include "decode/link.h"
#include "decode/tag.h"
#include "decode/tunnel.h"
#include "options.h"
#include "segment_format.h"

namespace weir::sensor {
namespace {

// Twice as many as a frame of the smallest packets can name, rounded up.
constexpr std::size_t kSlots = 1 << 17;
constexpr std::size_t kMostHosts = kSlots / 2;

// Moves past one header that is not IP; false where no IP can follow.
bool PassHeader(Layer* layer) {
  switch (layer->next) {
    case Next::kEthernet:
      return DecodeEthernet(layer) == Outcome::kAccepted;
    case Next::kMpls:
      return DecodeMpls(layer) == Outcome::kAccepted;
    case Next::kPpp:
      return DecodePpp(layer) == Outcome::kAccepted;
    case Next::kEtherType:
      break;
    default:
      return false;
  }
  switch (layer->type) {
    case kEtherIpv4:
    case kEtherIpv6:
      layer->next = Next::kIp;
      return true;
    case kEtherVlan:
    case kEtherServiceVlan:
    case kEtherOldServiceVlan:
    case kEtherOldServiceVlan2:
      return DecodeVlan(layer) == Outcome::kAccepted;
    case kEtherMpls:
    case kEtherMplsUpstream:
      layer->next = Next::kMpls;
      return true;
    case kEtherPppoeSession:
      return DecodePppoe(layer) == Outcome::kAccepted;
    case kEtherTransparent:
      layer->next = Next::kEthernet;
      return true;
    default:
      return false;
  }
}

// Looks for another packet behind this IP header; false where there is none.
bool EnterTunnel(const IpHeader& ip, Layer* layer) {
  constexpr std::size_t kUdpBytes = 8;
  if (ip.is_fragment) return false;
  switch (ip.protocol) {
    case kNextIpv4:
    case kNextIpv6:
      layer->next = Next::kIp;
      return true;
    case kNextGre:
      return DecodeGre(layer) == Outcome::kAccepted && layer->next != Next::kOther;
    case kProtocolUdp: {
      if (layer->bytes.size() < kUdpBytes) return false;
      const std::uint16_t source_port = ReadBig16(layer->bytes, 0);
      const std::uint16_t destination_port = ReadBig16(layer->bytes, 2);
      layer->Pass(kUdpBytes);
      DecodeUdpTunnel(source_port, destination_port, layer);
      return layer->next != Next::kOther;
    }
    default:
      return false;
  }
}

std::span<const std::uint8_t> SourceAndDestination(Bytes header) {
  const bool is_ipv4 = header[0] >> 4 == 4;
  return is_ipv4 ? header.subspan(12, 8) : header.subspan(8, 32);
}

}  // namespace

// FNV-1a, then the finaliser of MurmurHash3, as FNV leaves the upper bits of short keys poor.
std::uint64_t HashAddress(std::span<const std::uint8_t> address) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::uint8_t byte : address) hash = (hash ^ byte) * 0x100000001b3;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33);
}

HostIndex::HostIndex() : slots_(kSlots) { used_.reserve(kMostHosts); }

void HostIndex::AddAddress(std::span<const std::uint8_t> address) {
  const std::uint64_t hash = std::max<std::uint64_t>(HashAddress(address), 1);  // 0 marks an empty slot
  std::size_t slot = hash % kSlots;
  for (; slots_[slot] != 0; slot = (slot + 1) % kSlots) {
    if (slots_[slot] == hash) return;
  }
  if (used_.size() == kMostHosts) return;
  slots_[slot] = hash;
  used_.push_back(static_cast<std::uint32_t>(slot));
}

void HostIndex::Add(std::uint32_t link_type, std::span<const std::uint8_t> packet, std::uint32_t wire_bytes) {
  Layer layer;
  layer.bytes = packet;
  layer.wire_bytes = wire_bytes;
  if (packet.empty() || DecodeLink(link_type, &layer) != Outcome::kAccepted) return;
  for (int headers = 0; headers < 4 * kMostLevels; ++headers) {
    if (layer.next != Next::kIp) {
      if (!PassHeader(&layer)) return;
      continue;
    }
    const Bytes header = layer.bytes;
    IpHeader ip{};
    const Outcome outcome = DecodeIp(&layer, &ip);
    if (ip.version == 0) return;  // cut before its addresses
    const std::span<const std::uint8_t> both = SourceAndDestination(header);
    AddAddress(both.first(both.size() / 2));
    AddAddress(both.last(both.size() / 2));
    if (outcome != Outcome::kAccepted || !EnterTunnel(ip, &layer)) return;
  }
}

std::string HostIndex::Take() {
  const std::size_t wanted = std::max<std::size_t>(used_.size() * kIndexBitsPerHost, 64);
  const std::size_t bits = std::bit_ceil(wanted);
  std::vector<std::uint8_t> filter(bits / 8);
  for (const std::uint32_t slot : used_) {
    const std::uint64_t hash = slots_[slot];
    const std::uint64_t step = (hash >> 32) | 1;
    for (std::uint64_t i = 0; i < kIndexHashes; ++i) {
      const std::uint64_t bit = ((hash & 0xffffffff) + i * step) % bits;
      filter[bit / 8] = static_cast<std::uint8_t>(filter[bit / 8] | 1U << bit % 8);
    }
    slots_[slot] = 0;
  }
  used_.clear();
  std::string text(4 * ((filter.size() + 2) / 3) + 1, '\0');
  text.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), filter.data(), static_cast<int>(filter.size()))));
  return text;
}

}  // namespace weir::sensor
