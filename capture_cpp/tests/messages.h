// First bytes of conversations, one of each application protocol, built byte by byte for tests and
// for the inputs that fuzzing starts from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "frames.h"

namespace weir::test {

inline Frame Letters(std::string_view text) { return {text.begin(), text.end()}; }
inline Frame Sized16(const Frame& rest) { return Big16(rest.size()) + rest; }
inline Frame Sized24(const Frame& rest) { return Frame{static_cast<std::uint8_t>(rest.size() >> 16)} + Sized16(rest); }
inline Frame Sized8(const Frame& rest) { return Frame{static_cast<std::uint8_t>(rest.size())} + rest; }

inline Frame DnsQuery() {
  return Big16(0x1234) + Big16(0x0100) + Big16(1) + Zeros(6) + Sized8(Letters("www")) + Sized8(Letters("example")) + Sized8(Letters("org")) +
         Frame{0} + Big16(28) + Big16(1);
}

inline Frame HttpRequest() { return Letters("GET /a?b=c HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: weir\r\n\r\n"); }

// A ClientHello for www.example.org, header of the handshake message included.
inline Frame ClientHello() {
  const Frame name = Big16(0) + Sized16(Sized16(Frame{0} + Sized16(Letters("www.example.org"))));
  const Frame alpn = Big16(16) + Sized16(Sized16(Sized8(Letters("h3")) + Sized8(Letters("h2"))));
  const Frame versions = Big16(43) + Sized16(Sized8(Big16(0x1a1a) + Big16(0x0304)));
  const Frame signatures = Big16(13) + Sized16(Sized16(Big16(0x0403) + Big16(0x0804)));
  const Frame body = Big16(0x0303) + Zeros(32) + Sized8({}) + Sized16(Big16(0x0a0a) + Big16(0x1301) + Big16(0x1302)) + Sized8({0}) +
                     Sized16(name + alpn + versions + signatures);
  return Frame{1, 0} + Sized16(body);
}

inline Frame TlsClient() { return Frame{22, 3, 1} + Sized16(ClientHello()); }

inline Frame FtpServer() { return Letters("220 files.example.org FTP server ready\r\n"); }
inline Frame FtpClient() { return Letters("USER alice\r\nPASS secret\r\nSYST\r\nlist -la\r\nQUIT\r\n"); }
inline Frame SshClient() { return Letters("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"); }
inline Frame SmtpServer() { return Letters("220 mx.example.org ESMTP ready\r\n"); }
inline Frame SmtpClient() {
  return Letters("EHLO client.example.org\r\nMAIL FROM:<alice@example.org> SIZE=9\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n");
}

inline Frame MqttConnect() {
  const Frame body = Sized16(Letters("MQTT")) + Frame{4, 2} + Big16(60) + Sized16(Letters("pump-7"));
  return Frame{0x10} + Sized8(body);
}
inline Frame MqttConnect5() {
  const Frame properties = Frame{0x11} + Big32(30);
  const Frame body = Sized16(Letters("MQTT")) + Frame{5, 2} + Big16(60) + Sized8(properties) + Sized16(Letters("pump-8"));
  return Frame{0x10} + Sized8(body);
}
inline Frame MqttPublish() { return Frame{0x30} + Sized8(Sized16(Letters("plant/pump/7")) + Letters("on")); }

// Function 3, from address 100, two registers; and the answer "illegal data address".
inline Frame ModbusRequest() { return Big16(7) + Big16(0) + Sized16(Frame{17, 3} + Big16(100) + Big16(2)); }
inline Frame ModbusException() { return Big16(7) + Big16(0) + Sized16(Frame{17, 0x83, 2}); }

// Unprotected frames of an Initial packet: the hello in two pieces, the second one first.
inline Frame QuicFrames() {
  const Frame hello = ClientHello();
  const auto middle = static_cast<std::ptrdiff_t>(40);
  const Frame first(hello.begin(), hello.begin() + middle);
  const Frame second(hello.begin() + middle, hello.end());
  return Frame{1, 6, 40} + (Big16(0x4000 | second.size()) + second) + (Frame{6, 0, 40} + first) + Zeros(3);
}

}  // namespace weir::test
