// Shows messages to the parsers of application protocols.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

#include "application/protocols.h"
#include "exact_bytes.h"
#include "messages.h"
#include "untouched.h"

namespace weir::test {

struct Message {
  std::string_view protocol;
  Frame bytes;
  bool is_udp;
  std::uint16_t port;
};

inline Parser Find(std::string_view name) {
  const auto protocols = Protocols(name == "quic");
  return std::ranges::find_if(protocols, [name](const Protocol& protocol) { return protocol.name == name; })->parse;
}

inline Verdict ParseBytes(Parser parse, const Frame& bytes, const Message& like, bool is_last, Fields* fields, bool is_forward = true) {
  const ExactBytes exact(bytes);
  const std::uint16_t source = is_forward ? 40'000 : like.port;
  const std::uint16_t destination = is_forward ? like.port : 40'000;
  return parse({exact.bytes(), is_forward, like.is_udp, is_last, source, destination}, fields);
}

// The fields of a whole message that its own parser reads at once.
inline Fields FieldsOf(std::string_view protocol, const Frame& bytes, std::uint16_t port, bool is_forward = true, bool is_udp = false) {
  Fields fields;
  EXPECT_EQ(ParseBytes(Find(protocol), bytes, {protocol, bytes, is_udp, port}, true, &fields, is_forward), Verdict::kDone);
  return fields;
}

// The whole of what a client said so far.
inline Stretch Of(const Frame& bytes, bool is_udp, std::uint16_t port) { return {bytes, true, is_udp, false, 40'000, port}; }

}  // namespace weir::test
