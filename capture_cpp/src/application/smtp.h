// SMTP (RFC 5321): by which name the client greets, and the first mail's sender and recipient.
#pragma once

#include "application/parser.h"

namespace weir {

Verdict ParseSmtp(const Stretch& stretch, Fields* fields);

}  // namespace weir
