// DNS (RFC 1035), also over TCP, multicast DNS (RFC 6762) and LLMNR (RFC 4795).
#pragma once

#include "application/parser.h"

namespace weir {

Verdict ParseDns(const Stretch& stretch, Fields* fields);

}  // namespace weir
