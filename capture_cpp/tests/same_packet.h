// Whether two ways of decoding came to the same packet.
#pragma once

#include "packet.h"

namespace weir::test {

// Both were decoded from the same buffer, so payloads must begin at the same byte.
inline bool IsSame(const Packet& left, const Packet& right) {
  return left.key == right.key && left.hash == right.hash && left.time_us == right.time_us && left.offset == right.offset &&
         left.ip_bytes == right.ip_bytes && left.payload == right.payload && left.sequence == right.sequence && left.header == right.header &&
         left.window == right.window && left.tcp_flags == right.tcp_flags && left.icmp_type == right.icmp_type && left.icmp_code == right.icmp_code &&
         left.is_from_b == right.is_from_b && left.odd_layers == right.odd_layers && left.captured.size() == right.captured.size() &&
         (left.captured.empty() || left.captured.data() == right.captured.data());
}

}  // namespace weir::test
