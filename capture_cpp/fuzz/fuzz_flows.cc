// Any bytes as a capture through the whole core, with a table so small that flows are evicted.
#include <cmath>
#include <cstring>

#include "capture_error.h"
#include "flow_builder.h"
#include "options.h"
#include "require.h"

namespace {

using weir::fuzz::Require;

constexpr weir::FlowSettings kSettings{30'000'000, 60'000'000, weir::kLeastTableBytes};

std::uint64_t Sum(const weir::FlowBatch& batch, const char* name) {
  const auto definitions = weir::FlowColumnDefinitions();
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    for (std::int64_t row = 0; std::strcmp(definitions[i].name, name) == 0 && row < batch.rows; ++row) {
      std::int64_t value = 0;
      std::memcpy(&value, static_cast<const char*>(batch.columns[i].values.data()) + row * 8, sizeof value);
      sum += static_cast<std::uint64_t>(value);
    }
  }
  return sum;
}

void RequireFinite(const weir::FlowBatch& batch) {
  const auto definitions = weir::FlowColumnDefinitions();
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    for (std::int64_t row = 0; definitions[i].type == weir::ColumnType::kFloat64 && row < batch.rows; ++row) {
      double value = 0;
      std::memcpy(&value, static_cast<const char*>(batch.columns[i].values.data()) + row * 8, sizeof value);
      Require(std::isfinite(value) && value >= 0, "every number is finite and not negative");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint64_t packets = 0;
  const auto check = [&packets](const std::shared_ptr<const weir::FlowBatch>& batch) {
    packets += Sum(*batch, "packets_fwd") + Sum(*batch, "packets_bwd");
    RequireFinite(*batch);
  };
  weir::FlowBuilder builder(kSettings, weir::kIdentitySeed, check);
  try {
    weir::CaptureFile capture("input", weir::OpenByteSource("input", {data, size}));
    builder.Read(&capture);
  } catch (const weir::CaptureError&) {
    // what was read before counts all the same
  }
  builder.Finish();
  const weir::Counts& counts = builder.counts();
  Require(counts.IsBalanced(), "each packet has exactly one outcome");
  Require(packets == counts.Of(weir::Outcome::kAccepted), "each accepted packet is in a flow");
  return 0;
}
