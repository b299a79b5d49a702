// Which addresses occur in a frame: a Bloom filter, so that a search reads only frames that may hold
// what it wants. docs/formats/manifest.md says how to read it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace weir::sensor {

class HostIndex {
 public:
  HostIndex();

  // Notes the addresses of every IP header of a packet: the outermost, and those inside the tunnels
  // that flows are built through; and those that an ARP packet speaks of.
  void Add(std::uint32_t link_type, std::span<const std::uint8_t> packet, std::uint32_t wire_bytes);
  // The filter over all addresses since the last call, in base64.
  std::string Take();

 private:
  void AddBoth(std::span<const std::uint8_t> both);
  void AddAddress(std::span<const std::uint8_t> address);

  // The filter at its largest. A power of two of bits can be halved by laying one half over the other,
  // so that its size is chosen once the number of addresses is known.
  std::vector<std::uint64_t> words_;
  std::size_t hosts_ = 0;
  // Hashes of addresses that are in the filter: most packets are of hosts that spoke a moment ago.
  static constexpr std::size_t kRecent = 2'048;
  std::array<std::uint64_t, kRecent> recent_ = {};
};

// The hash of an address, 4 or 16 bytes.
std::uint64_t HashAddress(std::span<const std::uint8_t> address);

}  // namespace weir::sensor
