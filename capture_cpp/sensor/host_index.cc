#include "host_index.h"

#include <openssl/evp.h>

#include <algorithm>
#include <bit>

#include "header_walk.h"
#include "segment_format.h"

namespace weir::sensor {
namespace {

// Twice as many as a frame of the smallest packets can name, rounded up.
constexpr std::size_t kSlots = 1 << 17;
constexpr std::size_t kMostHosts = kSlots / 2;

std::span<const std::uint8_t> SourceAndDestination(std::span<const std::uint8_t> header) {
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
  WalkHeaders(link_type, packet, wire_bytes, [&](const IpPlace& ip) {
    const std::span<const std::uint8_t> both = SourceAndDestination(packet.subspan(ip.at));
    AddAddress(both.first(both.size() / 2));
    AddAddress(both.last(both.size() / 2));
  });
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
