// Any bytes as the first ones of a conversation in MQTT.
#include "application/mqtt.h"
#include "parser_promises.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::fuzz::KeepPromises(&weir::ParseMqtt, 1883, {data, size});
  return 0;
}
