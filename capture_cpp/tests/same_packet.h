// Whether two ways of decoding came to the same packet.
#pragma once

#include "packet.h"

namespace weir::test {

// Payloads are told apart by their length only, as they may lie in copies of the frame.
inline bool IsSame(const Packet& left, const Packet& right) {
  return left.key == right.key && left.hash == right.hash && left.time_us == right.time_us && left.offset == right.offset &&
         left.ip_bytes == right.ip_bytes && left.payload == right.payload && left.sequence == right.sequence && left.header == right.header &&
         left.window == right.window && left.tcp_flags == right.tcp_flags && left.icmp_type == right.icmp_type && left.icmp_code == right.icmp_code &&
         left.is_from_b == right.is_from_b && left.odd_layers == right.odd_layers && left.captured.size() == right.captured.size();
}

}  // namespace weir::test
