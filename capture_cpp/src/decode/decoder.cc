#include "decode/decoder.h"

#include <algorithm>
#include <utility>

#include "decode/check.h"
#include "decode/record.h"
#include "decode/tag.h"
#include "decode/transport.h"
#include "decode/tunnel.h"
#include "options.h"

namespace weir {
namespace {

// Follows link headers, tags and labels down to IP. On kAccepted, layer->next is kIp or kOther.
inline Outcome DescendToIp(Layer* layer) {
  for (;;) {
    Outcome outcome = Outcome::kAccepted;
    if (layer->next == Next::kEtherType) {
      if (layer->type == kEtherIpv4 || layer->type == kEtherIpv6) [[likely]] {
        layer->next = Next::kIp;
        return Outcome::kAccepted;
      }
      switch (layer->type) {
        case kEtherVlan:
        case kEtherServiceVlan:
        case kEtherOldServiceVlan:
        case kEtherOldServiceVlan2:
          ++layer->levels;
          outcome = DecodeVlan(layer);
          break;
        case kEtherMpls:
        case kEtherMplsUpstream:
          layer->next = Next::kMpls;
          break;
        case kEtherPppoeSession:
          ++layer->levels;
          outcome = DecodePppoe(layer);
          break;
        case kEtherTransparent:
          layer->next = Next::kEthernet;
          break;
        default:
          outcome = DecodeRareTag(layer);
          layer->levels = static_cast<std::uint8_t>(layer->levels + (layer->next == Next::kOther ? 0 : 1));
          break;
      }
    } else if (layer->next == Next::kMpls) {
      ++layer->levels;
      outcome = DecodeMpls(layer);
    } else if (layer->next == Next::kEthernet) {
      outcome = DecodeEthernet(layer);
    } else if (layer->next == Next::kPpp) {
      outcome = DecodePpp(layer);
    } else {
      return Outcome::kAccepted;
    }
    if (outcome != Outcome::kAccepted) {
      return outcome;
    }
    if (layer->levels > kMostLevels) {
      return Outcome::kNest;
    }
  }
}

// A packet that is no fragment.
inline Outcome DecodeWhole(const IpHeader& ip, Layer* layer, TransportHeader* transport) {
  const Outcome outcome = DecodeTransport(ip.protocol, *layer, transport);
  if (outcome == Outcome::kAccepted) {
    CheckTransport(ip, *transport, *layer, &layer->odd);
  } else {
    layer->odd.AddIf(outcome == Outcome::kDecodeError, Oddity::kTransportLength);
  }
  return outcome;
}

}  // namespace

// Not inlined, so that usual packets need not make room for what others need.
[[gnu::noinline]] Outcome Decoder::DecodeByHeaders(const Record& record, Packet* packet) {
  Layer layer;
  layer.bytes = record.bytes;
  layer.wire_bytes = record.wire_bytes;
  if (record.bytes.size() < record.wire_bytes) [[unlikely]] {
    layer.odd.Add(Oddity::kCutPacket);
  }
  packet->time_us = record.time_us;
  packet->offset = record.offset;
  Outcome outcome = DecodeLink(record.link_type, &layer);
  if (record.bytes.empty() && outcome != Outcome::kUnknownLink) [[unlikely]] {
    outcome = Outcome::kZeroLength;
  }
  if (outcome == Outcome::kAccepted) {
    outcome = DecodeInner(&layer, packet);
  }
  if (outcome == Outcome::kAccepted) {
    packet->hash = Hash(packet->key, seed_);
  }
  packet->odd_layers = 0;
  if (layer.odd.Has(Oddity::kNetworkLand) && IsOnLoopback(record.link_type, record.bytes)) [[unlikely]] {
    layer.odd.Remove(Oddity::kNetworkLand);
  }
  if (layer.odd.bits() != 0) [[unlikely]] {
    packet->odd_layers = OddLayers(layer.odd);
    odd_->Count(layer.odd);
  }
  if (outcome == Outcome::kFragment) {
    early_.packet.time_us = record.time_us;
    early_.packet.offset = record.offset;
    early_.packet.odd_layers = packet->odd_layers;
    fragments_.Keep(early_);
  }
  return outcome;
}

std::vector<Packet> Decoder::TakeFoundLate() {
  has_found_late_ = false;
  std::vector<Packet> late = std::exchange(found_late_, {});
  for (Packet& packet : late) {
    packet.hash = Hash(packet.key, seed_);
  }
  return late;
}

Outcome Decoder::DecodeInner(Layer* layer, Packet* packet) {
  bool has_outer = false;        // *packet holds the flow of the tunnel we are in
  bool is_outer_a_hint = false;  // and only a UDP port said that it is a tunnel
  for (;;) {
    // NOLINTBEGIN(cppcoreguidelines-pro-type-member-init): the decoders fill them, and zeros cost each packet
    IpHeader ip;
    TransportHeader transport;
    // NOLINTEND(cppcoreguidelines-pro-type-member-init)
    Outcome outcome = DescendToIp(layer);
    if (outcome == Outcome::kAccepted && layer->next != Next::kIp) {
      outcome = Outcome::kNonIp;
    }
    if (outcome == Outcome::kAccepted) {
      outcome = DecodeIp(layer, &ip);
    }
    if (outcome == Outcome::kAccepted) {
      CheckAddresses(ip, &layer->odd);
      outcome = ip.is_fragment ? DecodeFragment(&ip, packet->time_us, layer, &transport) : DecodeWhole(ip, layer, &transport);
    }
    if (outcome != Outcome::kAccepted) {
      const bool stays_outside = has_outer && (outcome == Outcome::kNonIp || (is_outer_a_hint && outcome != Outcome::kNest));
      return stays_outside ? Outcome::kAccepted : outcome;
    }
    Fill(ip, transport, *layer, packet);
    if (ip.protocol == kProtocolTcp || ip.is_fragment) {
      return Outcome::kAccepted;
    }
    switch (ip.protocol) {
      case kNextIpv4:
      case kNextIpv6:
        layer->next = Next::kIp;
        is_outer_a_hint = false;
        break;
      case kNextGre:
        outcome = DecodeGre(layer);
        if (outcome != Outcome::kAccepted) {
          return outcome;
        }
        is_outer_a_hint = false;
        break;
      case kProtocolUdp:
        layer->Pass(transport.header_bytes);
        DecodeUdpTunnel(transport.source_port, transport.destination_port, layer);
        is_outer_a_hint = true;
        break;
      default:
        return Outcome::kAccepted;
    }
    if (layer->next == Next::kOther) {
      return Outcome::kAccepted;
    }
    has_outer = true;
    if (++layer->levels > kMostLevels) {
      return Outcome::kNest;
    }
  }
}

// A first fragment says which flow the later ones belong to.
Outcome Decoder::DecodeFragment(IpHeader* ip_header, std::int64_t time_us, Layer* layer, TransportHeader* transport) {
  const IpHeader& ip = *ip_header;
  const FragmentKey key{ip.source, ip.destination, ip.fragment_id, ip.datagram_protocol, ip.version};
  const std::uint32_t begin = ip.version == 4 ? (ip.fragment_word & 0x1fffu) * 8 : ip.fragment_word & 0xfff8u;
  const bool has_more = (ip.fragment_word & (ip.version == 4 ? 0x2000u : 0x0001u)) != 0;
  const FragmentSpan span{begin, begin + layer->wire_bytes};
  CheckFragment(ip, span, has_more, &layer->odd);
  if (ip.is_first_fragment) {
    const Outcome outcome = DecodeTransport(ip.protocol, *layer, transport);
    if (outcome == Outcome::kAccepted) {
      layer->odd.AddIf(fragments_.Remember(key, {transport->source_port, transport->destination_port, ip.protocol}, span, time_us), Oddity::kNetworkFragmentOverlap);
      found_late_.clear();
      fragments_.TakeEarly(key, time_us, &found_late_);
      has_found_late_ = !found_late_.empty();
    }
    return outcome;
  }
  bool is_again = false;
  const FragmentFlow* known = fragments_.Find(key, span, time_us, &is_again);
  if (known == nullptr) {
    early_.key = key;
    early_.span = span;
    Fill(ip, {}, *layer, &early_.packet);
    return Outcome::kFragment;
  }
  layer->odd.AddIf(is_again, Oddity::kNetworkFragmentOverlap);
  ip_header->protocol = known->protocol;
  *transport = {};
  transport->source_port = known->source_port;
  transport->destination_port = known->destination_port;
  return Outcome::kAccepted;
}

void Decoder::Fill(const IpHeader& ip, const TransportHeader& transport, const Layer& layer, Packet* packet) {
  const bool is_from_b = ip.source == ip.destination ? transport.destination_port < transport.source_port : ip.destination < ip.source;
  packet->is_from_b = is_from_b;
  packet->key.a = is_from_b ? ip.destination : ip.source;
  packet->key.b = is_from_b ? ip.source : ip.destination;
  packet->key.port_a = is_from_b ? transport.destination_port : transport.source_port;
  packet->key.port_b = is_from_b ? transport.source_port : transport.destination_port;
  packet->key.protocol = ip.protocol;
  packet->key.ip_version = ip.version;
  packet->key.unused = 0;
  packet->ip_bytes = ip.total_bytes;
  packet->payload = layer.wire_bytes - transport.header_bytes;
  packet->captured = ip.is_fragment && !ip.is_first_fragment ? Bytes() : layer.bytes.subspan(std::min<std::size_t>(transport.header_bytes, layer.bytes.size()));
  packet->sequence = transport.sequence;
  packet->header = transport.header_bytes;
  packet->window = transport.window;
  packet->tcp_flags = transport.tcp_flags;
  packet->icmp_type = transport.icmp_type;
  packet->icmp_code = transport.icmp_code;
}

}  // namespace weir
