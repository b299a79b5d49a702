// HTTP/1 (RFC 9112): the first request and the first response of a connection.
#pragma once

#include "application/parser.h"

namespace weir {

Verdict ParseHttp(const Stretch& stretch, Fields* fields);

}  // namespace weir
