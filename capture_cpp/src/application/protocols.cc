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

constexpr std::array kProtocols{
    Protocol{"tls", &ParseTls},
    Protocol{"http", &ParseHttp},
    Protocol{"dns", &ParseDns},
    Protocol{"quic", &ParseQuic},
    Protocol{"ssh", &ParseSsh},
    Protocol{"mqtt", &ParseMqtt},
    Protocol{"smtp", &ParseSmtp},
    Protocol{"ftp", &ParseFtp},
    Protocol{"modbus", &ParseModbus},
};

}  // namespace

std::span<const Protocol> Protocols() { return kProtocols; }

}  // namespace weir
