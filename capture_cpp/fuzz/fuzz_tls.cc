// Any bytes as the first ones of a conversation in TLS.
#include "application/tls.h"
#include "parser_promises.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::fuzz::KeepPromises(&weir::ParseTls, 443, {data, size});
  return 0;
}
