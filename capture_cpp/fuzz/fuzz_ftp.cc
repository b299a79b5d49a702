// Any bytes as the first ones of a conversation in FTP.
#include "application/ftp.h"
#include "parser_promises.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::fuzz::KeepPromises(&weir::ParseFtp, 21, {data, size});
  return 0;
}
