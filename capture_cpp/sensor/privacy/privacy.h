// What of packets is kept, and under which addresses: --cut-payload and --anonymise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "batch.h"
#include "decode/header_walk.h"
#include "privacy/crypto_pan.h"

namespace weir::sensor {

class Privacy {
 public:
  // `anonymiser` replaces addresses; payloads are cut either way, as they quote addresses.
  explicit Privacy(std::optional<CryptoPan> anonymiser) : anonymiser_(std::move(anonymiser)) {}

  // Edits every record of a batch in place.
  void Edit(Batch* batch);

 private:
  std::uint32_t EditPacket(std::uint32_t link_type, std::span<std::uint8_t> packet, std::uint32_t wire_bytes);
  void Anonymise(std::span<std::uint8_t> packet, const IpPlace& place, bool has_transport, bool is_left_to_card);
  void AnonymiseArp(std::span<std::uint8_t> arp);

  std::optional<CryptoPan> anonymiser_;
};

}  // namespace weir::sensor
