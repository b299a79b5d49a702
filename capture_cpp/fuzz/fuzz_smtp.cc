// Any bytes as the first ones of a conversation in SMTP.
#include "application/smtp.h"
#include "parser_promises.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::fuzz::KeepPromises(&weir::ParseSmtp, 25, {data, size});
  return 0;
}
