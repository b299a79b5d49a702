#include "headers.h"

#include <cstdint>
#include <span>

#include "decode/header_walk.h"

namespace nb = nanobind;

namespace weir {
namespace {

// The IP headers from the outside in, and where ARP begins, if it does.
nb::tuple Headers(std::uint32_t link_type, const nb::bytes& packet, std::uint32_t wire_bytes) {
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(packet.c_str()), packet.size());
  nb::list places;
  const WalkEnd end = WalkHeaders(link_type, bytes, wire_bytes, [&places](const IpPlace& ip) {
    const bool is_begun = ip.is_sound && (!ip.header.is_fragment || ip.header.is_first_fragment);
    places.append(nb::make_tuple(ip.at, ip.behind, ip.header.protocol, is_begun));
  });
  return nb::make_tuple(places, end.arp_at ? nb::object(nb::int_(*end.arp_at)) : nb::object(nb::none()));
}

}  // namespace

void DefineHeaders(nb::module_& module) {
  module.def("headers", &Headers, nb::arg("link_type"), nb::arg("packet"), nb::arg("wire_bytes"));
}

}  // namespace weir
