// Modbus/TCP (Modbus Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3).
#pragma once

#include "application/parser.h"

namespace weir {

Verdict ParseModbus(const Stretch& stretch, Fields* fields);

}  // namespace weir
