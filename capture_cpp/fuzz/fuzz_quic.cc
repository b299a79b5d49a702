// Any bytes as the first ones of a conversation in QUIC; and, as no fuzzer finds a valid tag, any
// bytes as the frames inside an Initial packet that is authentic.
#include "application/quic.h"
#include "parser_promises.h"
#include "quic_seal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint16_t kPort = 443;
  constexpr std::size_t kMostFrames = 3'000;
  weir::fuzz::KeepPromises(&weir::ParseQuic, kPort, {data, size});
  const weir::test::Frame packet = weir::test::SealInitial({data, data + std::min(size, kMostFrames)});
  weir::Fields fields;
  const weir::Stretch stretch{packet, true, true, true, 40'000, kPort};
  const weir::Verdict verdict = weir::fuzz::ParseExactly(&weir::ParseQuic, stretch, &fields);
  weir::fuzz::Require(verdict == weir::Verdict::kDone, "an authentic packet is one of QUIC");
  weir::fuzz::RequireSafe(fields);
  return 0;
}
