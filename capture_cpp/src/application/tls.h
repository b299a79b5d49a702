// TLS (RFC 8446, RFC 5246): what client and server say in the clear before they encrypt.
#pragma once

#include "application/parser.h"

namespace weir {

Verdict ParseTls(const Stretch& stretch, Fields* fields);

// Reads the body of a ClientHello, as it also comes in QUIC. False, and no field set, when broken.
// `transport` is 't' for TCP and 'q' for QUIC, as JA4 writes it.
bool ReadClientHello(Bytes body, char transport, Fields* fields);

}  // namespace weir
