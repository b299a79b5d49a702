#include "application/protocols.h"

#include <array>

#include "application/dns.h"
#include "application/ftp.h"
#include "application/http.h"
#include "application/modbus.h"
#include "application/mqtt.h"
#include "application/quic.h"
#include "application/smtp.h"
#include "application/ssh.h"
#include "application/tls.h"

namespace weir {
namespace {

constexpr Protocol kDns{"dns", &ParseDns};
constexpr Protocol kQuic{"quic", &ParseQuic};
constexpr std::array kOverTcp{
    Protocol{"tls", &ParseTls},
    Protocol{"http", &ParseHttp},
    kDns,
    Protocol{"ssh", &ParseSsh},
    Protocol{"mqtt", &ParseMqtt},
    Protocol{"smtp", &ParseSmtp},
    Protocol{"ftp", &ParseFtp},
    Protocol{"modbus", &ParseModbus},
};
constexpr std::array kOverUdp{kDns, kQuic};

}  // namespace

std::span<const Protocol> Protocols(bool is_udp) { return is_udp ? std::span<const Protocol>(kOverUdp) : std::span<const Protocol>(kOverTcp); }

}  // namespace weir
