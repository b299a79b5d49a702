// Any bytes as the first ones of a conversation in Modbus/TCP.
#include "application/modbus.h"
#include "parser_promises.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::fuzz::KeepPromises(&weir::ParseModbus, 502, {data, size});
  return 0;
}
