// Which addresses occur in a frame: a Bloom filter, so that a search reads only frames that may hold
// what it wants. docs/formats/manifest.md says how to read it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace weir::sensor {

class HostIndex {
 public:
  HostIndex();

  // Notes the addresses of every IP header of a packet: the outermost, and those inside the tunnels
  // that flows are built through.
  void Add(std::uint32_t link_type, std::span<const std::uint8_t> packet, std::uint32_t wire_bytes);
  // The filter over all addresses since the last call, in base64.
  std::string Take();

 private:
  void AddAddress(std::span<const std::uint8_t> address);

  // An open-addressed set of hashes; emptied by going through `used_`, as most of it is not.
  std::vector<std::uint64_t> slots_;
  std::vector<std::uint32_t> used_;
};

// The hash of an address, 4 or 16 bytes.
std::uint64_t HashAddress(std::span<const std::uint8_t> address);

}  // namespace weir::sensor
