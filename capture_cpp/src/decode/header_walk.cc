#include "decode/header_walk.h"

#include "decode/layer.h"
#include "decode/record.h"
#include "decode/tag.h"
#include "decode/transport.h"
#include "decode/tunnel.h"
#include "options.h"

namespace weir {
namespace {

constexpr std::uint16_t kEtherArp = 0x0806;
// Tags, labels, link headers and IP headers of one packet.
constexpr int kMostHeaders = 4 * kMostLevels;

// Moves past one header that is not IP; false where no IP can follow.
bool PassHeader(Layer* layer) {
  switch (layer->next) {
    case Next::kEthernet:
      return DecodeEthernet(layer) == Outcome::kAccepted;
    case Next::kMpls:
      return DecodeMpls(layer) == Outcome::kAccepted;
    case Next::kPpp:
      return DecodePpp(layer) == Outcome::kAccepted;
    case Next::kEtherType:
      break;
    default:
      return false;
  }
  switch (layer->type) {
    case kEtherIpv4:
    case kEtherIpv6:
      layer->next = Next::kIp;
      return true;
    case kEtherVlan:
    case kEtherServiceVlan:
    case kEtherOldServiceVlan:
    case kEtherOldServiceVlan2:
      return DecodeVlan(layer) == Outcome::kAccepted;
    case kEtherMpls:
    case kEtherMplsUpstream:
      layer->next = Next::kMpls;
      return true;
    case kEtherPppoeSession:
      return DecodePppoe(layer) == Outcome::kAccepted;
    case kEtherTransparent:
      layer->next = Next::kEthernet;
      return true;
    default:
      return DecodeRareTag(layer) == Outcome::kAccepted && layer->next != Next::kOther;
  }
}

// Of ICMP only type, code and checksum: what follows may quote addresses.
constexpr std::size_t kIcmpBytes = 4;

// Moves past the transport header, as far as it was captured; the ports are left in `transport`.
void PassTransport(const IpHeader& ip, Layer* layer, TransportHeader* transport) {
  if (ip.is_fragment && !ip.is_first_fragment) return;
  if (DecodeTransport(ip.protocol, *layer, transport) != Outcome::kAccepted) return;
  const bool is_icmp = ip.protocol == kProtocolIcmp || ip.protocol == kProtocolIcmp6;
  layer->Pass(std::min(is_icmp ? kIcmpBytes : transport->header_bytes, layer->bytes.size()));
}

// Looks for another packet inside; layer->next is kOther where there is none.
void EnterTunnel(const IpHeader& ip, const TransportHeader& transport, Layer* layer) {
  layer->next = Next::kOther;
  if (ip.is_fragment) return;
  if (ip.protocol == kNextIpv4 || ip.protocol == kNextIpv6) {
    layer->next = Next::kIp;
  } else if (ip.protocol == kNextGre) {
    if (DecodeGre(layer) != Outcome::kAccepted) layer->next = Next::kOther;
  } else if (ip.protocol == kProtocolUdp && transport.header_bytes > 0) {
    DecodeUdpTunnel(transport.source_port, transport.destination_port, layer);
  }
}

}  // namespace

WalkEnd WalkHeaders(std::uint32_t link_type, std::span<const std::uint8_t> packet, std::uint32_t wire_bytes,
                    const std::function<void(const IpPlace&)>& visit) {
  const auto place = [&](const Layer& layer) { return static_cast<std::size_t>(layer.bytes.data() - packet.data()); };
  WalkEnd end;
  Layer layer;
  layer.bytes = packet;
  layer.wire_bytes = wire_bytes;
  if (packet.empty() || DecodeLink(link_type, &layer) != Outcome::kAccepted) return end;
  end.at = place(layer);
  bool is_inside = false;  // of an IP packet, where what looks like a tunnel must prove itself by IP
  for (int headers = 0; headers < kMostHeaders; ++headers) {
    if (!is_inside && layer.next == Next::kEtherType && layer.type == kEtherArp) end.arp_at = place(layer);
    if (layer.next != Next::kIp) {
      if (!PassHeader(&layer)) return end;
      if (!is_inside) end.at = place(layer);
      continue;
    }
    IpPlace found = {place(layer), 0, {}, false};
    found.is_sound = DecodeIp(&layer, &found.header) == Outcome::kAccepted;
    if (found.header.version == 0) return end;  // cut before its addresses, or no IP after all
    found.behind = place(layer);
    visit(found);
    is_inside = true;
    end.at = found.behind;
    if (!found.is_sound) return end;
    TransportHeader transport{};
    PassTransport(found.header, &layer, &transport);
    end.at = place(layer);
    EnterTunnel(found.header, transport, &layer);
  }
  return end;
}

}  // namespace weir
