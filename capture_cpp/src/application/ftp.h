// FTP (RFC 959): who logs in, and the first commands. Arguments of commands are not kept, so that
// no password is.
#pragma once

#include "application/parser.h"

namespace weir {

Verdict ParseFtp(const Stretch& stretch, Fields* fields);

}  // namespace weir
