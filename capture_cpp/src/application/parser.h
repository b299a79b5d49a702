// How parsers of application protocols are asked.
//
// A parser looks at the first bytes of one direction of a conversation and says whether they are of
// its protocol. It keeps nothing between calls, believes no length it has not checked, and never
// throws; the bytes were written by a stranger.
#pragma once

#include <cstddef>
#include <cstdint>

#include "application/fields.h"
#include "bytes.h"

namespace weir {

// The first bytes of one direction, in order and without gaps.
struct Stretch {
  Bytes bytes;
  bool is_forward;        // sent by the side that spoke first
  bool is_udp;            // else TCP
  bool is_last;           // nothing more will be shown of this direction
  std::uint16_t source_port;
  std::uint16_t destination_port;

  bool HasPort(std::uint16_t port) const { return source_port == port || destination_port == port; }
};

enum class Verdict : std::uint8_t {
  kNo,    // not this protocol; no field was set
  kMore,  // this protocol, and more bytes of this direction would tell more
  kDone,  // this protocol, and all was told
};

using Parser = Verdict (*)(const Stretch& stretch, Fields* fields);

// A direction of TCP that begins with fewer bytes is waited for: it may have been cut anywhere.
inline constexpr std::size_t kLeastFirstBytes = 16;

// As much of a direction as is kept until its parser is done.
inline constexpr std::size_t kMostFirstBytes = 4'096;

}  // namespace weir
