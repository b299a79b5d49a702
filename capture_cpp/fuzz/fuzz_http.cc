// Any bytes as the first ones of a conversation in HTTP/1.
#include "application/http.h"
#include "parser_promises.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::fuzz::KeepPromises(&weir::ParseHttp, 80, {data, size});
  return 0;
}
