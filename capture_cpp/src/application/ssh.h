// SSH (RFC 4253, section 4.2): how client and server identify themselves.
#pragma once

#include "application/parser.h"

namespace weir {

Verdict ParseSsh(const Stretch& stretch, Fields* fields);

}  // namespace weir
