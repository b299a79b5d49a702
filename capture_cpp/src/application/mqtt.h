// MQTT 3.1, 3.1.1 and 5 (OASIS): who connects, and the topic of the first message.
#pragma once

#include "application/parser.h"

namespace weir {

Verdict ParseMqtt(const Stretch& stretch, Fields* fields);

}  // namespace weir
