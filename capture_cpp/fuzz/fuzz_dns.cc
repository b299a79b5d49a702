// Any bytes as the first ones of a conversation in DNS.
#include "application/dns.h"
#include "parser_promises.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::fuzz::KeepPromises(&weir::ParseDns, 53, {data, size});
  return 0;
}
