// Turns a captured record into a Packet: link layer, tags, tunnels, IP, transport.
#pragma once

#include <vector>

#include "counts.h"
#include "decode/fragments.h"
#include "decode/ip.h"
#include "decode/layer.h"
#include "decode/transport.h"
#include "decode/usual.h"
#include "hash.h"
#include "link_type.h"
#include "packet.h"
#include "reader/capture_file.h"

namespace weir {

class Decoder {
 public:
  // `seed` is that of the flow table whose hash the packets carry; `odd` outlives the decoder.
  Decoder(const Seed& seed, Counts* odd) : seed_(seed), fragments_(seed), odd_(odd) {}

  // Says what becomes of the record, and on kAccepted fills `packet` but for its flow.
  //
  // A packet belongs to the innermost IP header. When a tunnel carries something that is no IP,
  // or what a UDP port suggested turns out wrong, it belongs to the tunnel's own flow.
  Outcome Decode(const Record& record, Packet* packet);

  // The same header by header, as Decode() does where a packet is not a usual one.
  Outcome DecodeByHeaders(const Record& record, Packet* packet);

  // Fragments that came before the one that was just accepted, which is the first of their datagram. They were set aside, and now
  // they belong to its flow. To be taken before the next packet is decoded.
  bool has_found_late() const { return has_found_late_; }
  std::vector<Packet> TakeFoundLate();

 private:
  Outcome DecodeInner(Layer* layer, Packet* packet);
  Outcome DecodeFragment(IpHeader* ip_header, std::int64_t time_us, Layer* layer, TransportHeader* transport);
  static void Fill(const IpHeader& ip, const TransportHeader& transport, const Layer& layer, Packet* packet);

  Seed seed_;
  Fragments fragments_;
  EarlyFragment early_{};  // the latest for which no first one was known
  std::vector<Packet> found_late_;
  bool has_found_late_ = false;
  Counts* odd_;
};

inline Outcome Decoder::Decode(const Record& record, Packet* packet) {
  if (record.link_type == kLinkEthernet && DecodeUsual(record.bytes, record.wire_bytes, packet)) [[likely]] {
    packet->time_us = record.time_us;
    packet->offset = record.offset;
    packet->hash = Hash(packet->key, seed_);
    packet->odd_layers = 0;
    return Outcome::kAccepted;
  }
  return DecodeByHeaders(record, packet);
}

}  // namespace weir
