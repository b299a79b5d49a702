// Writes the inputs that fuzzing starts from: make_seeds FOLDER
//
// One capture and one list of packets for each encapsulation that the decoder knows, and the first
// bytes of a conversation in each application protocol.
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "frames.h"
#include "messages.h"

namespace {

using weir::test::Big16;
using weir::test::Big32;
using weir::test::Ethernet;
using weir::test::Frame;
using weir::test::Innermost;
using weir::test::Ipv4;
using weir::test::Ipv6;
using weir::test::Tcp;
using weir::test::Udp;
using weir::test::Vlan;
using weir::test::Zeros;
using weir::test::operator+;

std::vector<std::pair<std::string, Frame>> Frames() {
  const Frame inner = Innermost();
  const Frame frame = Ethernet(0x0800, inner);
  return {
      {"udp", frame},
      {"tcp", Ethernet(0x0800, Ipv4(6, Tcp(1, 2, 0x1b, Zeros(10))))},
      {"tcp_vlan", Ethernet(0x8100, Vlan(0x0800, Ipv4(6, Tcp(1, 2, 0x18, Zeros(99)))))},
      {"tcp_ipv6", Ethernet(0x86dd, Ipv6(6, Tcp(1, 2, 0x10, Zeros(9))))},
      {"icmp", Ethernet(0x0800, Ipv4(1, Zeros(16)))},
      {"sctp", Ethernet(0x0800, Ipv4(132, Zeros(20)))},
      {"fragment", Ethernet(0x0800, Ipv4(17, Udp(1, 2, Zeros(32)), 0x2000))},
      {"qinq", Ethernet(0x88a8, Vlan(0x8100, Vlan(0x0800, inner)))},
      {"mpls", Ethernet(0x8847, weir::test::Mpls(true, inner))},
      {"pppoe", Ethernet(0x8864, weir::test::Pppoe(0x21, inner))},
      {"gre", Ethernet(0x0800, Ipv4(47, Big16(0xb000) + Big16(0x0800) + Zeros(12) + inner))},
      {"vxlan", Ethernet(0x0800, Ipv4(17, Udp(5, 4789, weir::test::Vxlan(frame))))},
      {"geneve", Ethernet(0x0800, Ipv4(17, Udp(5, 6081, weir::test::Geneve(frame))))},
      {"gtp", Ethernet(0x0800, Ipv4(17, Udp(5, 2152, weir::test::GtpU(inner))))},
      {"ipv6", Ethernet(0x86dd, Ipv6(0, Frame{44, 0, 1, 4, 0, 0, 0, 0} + Frame{17, 0, 0, 1, 0, 0, 0, 7} + Udp(1, 2, Zeros(8))))},
      {"teredo", Ethernet(0x0800, Ipv4(17, Udp(5, 3544, Frame{0, 0, 1, 2, 3, 4, 5, 6} + Ipv6(17, Udp(1, 2, Zeros(8))))))},
  };
}

// As fuzz/parser_promises.h reads them: what is known of the direction, where to cut, the bytes.
std::vector<std::pair<std::string, Frame>> Messages() {
  namespace test = weir::test;
  const Frame tcp{1, 255};
  const Frame udp{5, 255};
  const Frame answer{1 | 2 | 8, 255};
  return {
      {"dns", udp + test::DnsQuery()},
      {"dns_tcp", tcp + test::Sized16(test::DnsQuery())},
      {"http", tcp + test::HttpRequest()},
      {"tls", tcp + test::TlsClient()},
      {"ftp", tcp + test::FtpClient()},
      {"ftp_server", answer + test::FtpServer()},
      {"ssh", tcp + test::SshClient()},
      {"smtp", tcp + test::SmtpClient()},
      {"smtp_server", answer + test::SmtpServer()},
      {"mqtt", tcp + test::MqttConnect() + test::MqttPublish()},
      {"mqtt5", tcp + test::MqttConnect5() + test::MqttPublish()},
      {"modbus", tcp + test::ModbusRequest()},
      {"modbus_exception", answer + test::ModbusException()},
      {"quic", test::QuicFrames()},
  };
}

Frame Block(std::uint32_t type, const Frame& body) { return Big32(type) + Big32(12 + body.size()) + body + Big32(12 + body.size()); }

// A pcapng capture whose interface counts time in nanoseconds and from an hour later.
Frame Pcapng(const Frame& frame) {
  const Frame options = Big16(9) + Big16(1) + Frame{9, 0, 0, 0} + Big16(14) + Big16(8) + Zeros(6) + Big16(3600);
  const Frame padded = frame + Zeros((4 - frame.size() % 4) % 4);
  const Frame packet = Big32(0) + Big32(0x17b7a0e0) + Big32(7) + Big32(frame.size()) + Big32(frame.size()) + padded;
  return Block(0x0a0d0d0a, Big32(0x1a2b3c4d) + Big16(1) + Big16(0) + Frame(8, 0xff)) + Block(1, Big16(1) + Zeros(6) + options) + Block(6, packet) + Block(6, packet);
}

Frame PcapRecord(const Frame& frame) { return Big32(100) + Big32(7) + Big32(frame.size()) + Big32(frame.size()) + frame; }

// More conversations than the small table holds.
Frame ManyFlows() {
  constexpr std::size_t kFlows = 30;
  Frame records;
  for (std::size_t flow = 0; flow < kFlows; ++flow) {
    records = records + PcapRecord(Ethernet(0x0800, Ipv4(17, Udp(1000 + flow, 2, {}))));
  }
  return records;
}

void Write(const std::string& folder, const std::string& name, const Frame& bytes) {
  std::ofstream(folder + "/" + name, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_seeds FOLDER\n");
    return 2;
  }
  const std::string folder = argv[1];
  const Frame header = Big32(0xa1b2c3d4) + Big16(2) + Big16(4) + Zeros(8) + Big32(65535) + Big32(1);
  for (const auto& [name, frame] : Frames()) {
    const Frame record = PcapRecord(frame);
    Write(folder, "capture_" + name, header + record + record);
    Write(folder, "pcapng_" + name, Pcapng(frame));
    const Frame packets = Big16(frame.size()) + frame + Big16(frame.size()) + frame;
    Write(folder, "packets_" + name, Frame{0} + packets);
    Write(folder, "sound_packets_" + name, Frame{0x80} + packets);  // whose sums fuzz_decoder puts right
  }
  Write(folder, "capture_many_flows", header + ManyFlows());
  for (const auto& [name, message] : Messages()) {
    Write(folder, "message_" + name, message);
  }
  return 0;
}
