// Any bytes as the first ones of a conversation in SSH.
#include "application/ssh.h"
#include "parser_promises.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::fuzz::KeepPromises(&weir::ParseSsh, 22, {data, size});
  return 0;
}
