// QUIC (RFC 9000, RFC 9369): the version, and the TLS client's hello, which version 1 and 2 only veil.
#pragma once

#include "application/parser.h"

namespace weir {

Verdict ParseQuic(const Stretch& stretch, Fields* fields);

}  // namespace weir
