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

std::uint64_t Sum(const weir::FlowColumns& columns, const char* name) {
  const auto definitions = weir::FlowColumnDefinitions();
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    for (std::int64_t row = 0; std::strcmp(definitions[i].name, name) == 0 && row < columns.rows(); ++row) {
      std::int64_t value = 0;
      std::memcpy(&value, static_cast<const char*>(columns.columns()[i].values.data()) + row * 8, sizeof value);
      sum += static_cast<std::uint64_t>(value);
    }
  }
  return sum;
}

void RequireFinite(const weir::FlowColumns& columns) {
  const auto definitions = weir::FlowColumnDefinitions();
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    for (std::int64_t row = 0; definitions[i].type == weir::ColumnType::kFloat64 && row < columns.rows(); ++row) {
      double value = 0;
      std::memcpy(&value, static_cast<const char*>(columns.columns()[i].values.data()) + row * 8, sizeof value);
      Require(std::isfinite(value) && value >= 0, "every number is finite and not negative");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::FlowBuilder builder(kSettings, weir::kIdentitySeed);
  try {
    weir::CaptureFile capture("input", weir::OpenByteSource("input", {data, size}));
    builder.Read(&capture);
  } catch (const weir::CaptureError&) {
    // what was read before counts all the same
  }
  builder.Finish();
  const weir::Counts& counts = builder.counts();
  const weir::FlowColumns& columns = *builder.columns();
  Require(counts.IsBalanced(), "each packet has exactly one outcome");
  Require(Sum(columns, "packets_fwd") + Sum(columns, "packets_bwd") == counts.Of(weir::Outcome::kAccepted), "each accepted packet is in a flow");
  RequireFinite(columns);
  return 0;
}
