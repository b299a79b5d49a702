// Any bytes as a capture through the whole core, with a table so small that flows are evicted.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "exact_bytes.h"
#include "flow_builder.h"
#include "options.h"
#include "reader/capture_error.h"
#include "require.h"

namespace {

using weir::fuzz::Require;

constexpr weir::FlowSettings kSettings{30'000'000, 60'000'000, weir::kLeastTableBytes};

constexpr std::int64_t kBatchRows = 8;
constexpr std::size_t kNumberBytes = 8;

std::size_t IndexOf(const char* name) {
  const auto definitions = weir::FlowColumnDefinitions();
  const auto found = std::ranges::find_if(definitions, [name](const weir::ColumnDefinition& definition) { return std::strcmp(definition.name, name) == 0; });
  return static_cast<std::size_t>(found - definitions.begin());
}

std::uint64_t Sum(const weir::FlowBatch& batch, std::size_t column) {
  std::uint64_t sum = 0;
  for (std::size_t row = 0; row < static_cast<std::size_t>(batch.rows); ++row) {
    std::uint64_t value = 0;
    std::memcpy(&value, static_cast<const char*>(batch.columns[column].values.data()) + row * kNumberBytes, kNumberBytes);
    sum += value;
  }
  return sum;
}

void RequireFinite(const weir::FlowBatch& batch) {
  const auto definitions = weir::FlowColumnDefinitions();
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    for (std::size_t row = 0; definitions[i].type == weir::ColumnType::kFloat64 && row < static_cast<std::size_t>(batch.rows); ++row) {
      double value = 0;
      std::memcpy(&value, static_cast<const char*>(batch.columns[i].values.data()) + row * kNumberBytes, kNumberBytes);
      Require(std::isfinite(value) && value >= 0, "every number is finite and not negative");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint64_t packets = 0;
  const auto check = [&packets](const std::shared_ptr<const weir::FlowBatch>& batch) {
    static const std::size_t kForward = IndexOf("packets_fwd");
    static const std::size_t kBackward = IndexOf("packets_bwd");
    packets += Sum(*batch, kForward) + Sum(*batch, kBackward);
    RequireFinite(*batch);
  };
  weir::FlowBuilder builder(kSettings, weir::kIdentitySeed, check, kBatchRows);
  try {
    weir::CaptureFile capture("input", weir::OpenByteSource("input", {data, size}));
    weir::Record record{};
    while (capture.Next(&record)) {
      const weir::test::ExactBytes exact(record.bytes);
      record.bytes = exact.bytes();
      builder.Add(record);
    }
  } catch (const weir::CaptureError&) {
    // what was read before counts all the same
  }
  builder.Finish();
  const weir::Counts& counts = builder.counts();
  Require(counts.IsBalanced(), "each packet has exactly one outcome");
  Require(packets == counts.Of(weir::Outcome::kAccepted), "each accepted packet is in a flow");
  return 0;
}
