#include "application/protocols.h"

#include <array>

#include "application/dns.h"
#include "application/http.h"
#include "application/tls.h"

namespace weir {
namespace {

constexpr std::array kProtocols{
    Protocol{"tls", &ParseTls},
    Protocol{"http", &ParseHttp},
    Protocol{"dns", &ParseDns},
};

}  // namespace

std::span<const Protocol> Protocols() { return kProtocols; }

}  // namespace weir
