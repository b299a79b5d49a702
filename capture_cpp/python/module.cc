// weir._native: the flow core as a Python module. The stub is include/weir/_native.pyi.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "columns/arrow.h"
#include "flow_builder.h"
#include "headers.h"
#include "options.h"
#include "reader/byte_source.h"
#include "reader/capture_error.h"

namespace nb = nanobind;

namespace {

struct FlowBatch {
  std::shared_ptr<const weir::FlowBatch> rows;
  weir::Counts counts;  // of all packets read so far
};

// Wraps an exported struct so that whoever is last to hold it releases it, as the Arrow PyCapsule
// interface asks.
template <typename Exported>
nb::capsule Capsule(std::unique_ptr<Exported> exported, const char* name) {
  return nb::capsule(exported.release(), name, [](void* pointer) noexcept {
    auto* owned = static_cast<Exported*>(pointer);
    if (owned->release != nullptr) {
      owned->release(owned);
    }
    delete owned;
  });
}

nb::capsule SchemaCapsule() {
  auto schema = std::make_unique<ArrowSchema>();
  weir::ExportSchema(schema.get());
  return Capsule(std::move(schema), "arrow_schema");
}

nb::tuple ArrayCapsules(const FlowBatch& batch) {
  auto array = std::make_unique<ArrowArray>();
  weir::ExportArray(batch.rows, array.get());
  nb::capsule schema = SchemaCapsule();
  return nb::make_tuple(schema, Capsule(std::move(array), "arrow_array"));
}

// Rows of a batch: each costs Python and the Parquet writer about a millisecond, more than columns that
// stay in a nearer cache would save.
constexpr std::int64_t kRowsForPython = 2 * weir::kBatchRows;

weir::Counts ReadAll(const std::vector<std::string>& captures, weir::FlowBuilder* builder) {
  for (const std::string& path : captures) {
    weir::CaptureFile capture(path);
    builder->Read(&capture);
  }
  builder->Finish();
  return builder->counts();
}

using Wishes = std::vector<std::pair<std::uint8_t, std::uint16_t>>;

std::vector<weir::PayloadWish> AsWishes(const Wishes& given) {
  std::vector<weir::PayloadWish> wishes;
  for (const auto& [protocol, port] : given) {
    wishes.push_back({protocol, port});
  }
  return wishes;
}

// A number that Python gave, of whatever size; nanobind by itself answers one that does not fit with a list of overloads. The
// core checks those that fit against the same bounds.
template <typename Number>
Number AsNumber(const nb::object& given, const char* name, Number least, Number most) {
  const nb::object whole = nb::steal(PyNumber_Index(given.ptr()));
  if (!whole.is_valid()) {
    nb::raise_python_error();
  }
  Number number = 0;
  if (!nb::try_cast(whole, number)) {
    const std::string bounds = std::to_string(least) + " and " + std::to_string(most);
    throw std::invalid_argument(std::string(name) + " is " + nb::str(whole).c_str() + ", but must lie within " + bounds);
  }
  return number;
}

weir::FlowSettings AsSettings(const nb::object& idle_timeout_us, const nb::object& active_timeout_us, const nb::object& memory_bytes,
                              bool parse_applications, const Wishes& payloads_of) {
  return {AsNumber<std::int64_t>(idle_timeout_us, "idle_timeout_us", 1, weir::kLongestTimeoutUs),
          AsNumber<std::int64_t>(active_timeout_us, "active_timeout_us", 1, weir::kLongestTimeoutUs),
          AsNumber<std::size_t>(memory_bytes, "memory_bytes", weir::kLeastTableBytes, std::numeric_limits<std::size_t>::max()),
          parse_applications, AsWishes(payloads_of)};
}

FlowBatch BuildFlows(const std::vector<std::string>& captures, const weir::FlowSettings& settings) {
  FlowBatch whole;
  const auto keep = [&whole](std::shared_ptr<const weir::FlowBatch> rows) { whole.rows = std::move(rows); };
  weir::FlowBuilder builder(settings, weir::RandomSeed(), keep, weir::kAllRows);
  whole.counts = ReadAll(captures, &builder);
  return whole;
}

// Only while `take` runs is Python locked. What it raises ends the reading.
weir::Counts StreamFlows(const std::vector<std::string>& captures, const nb::callable& take, const weir::FlowSettings& settings) {
  const nb::gil_scoped_release others_may_run;
  std::unique_ptr<weir::FlowBuilder> builder;
  const auto give = [&take, &builder](std::shared_ptr<const weir::FlowBatch> rows) {
    const nb::gil_scoped_acquire locked;
    take(FlowBatch{std::move(rows), builder->counts()});
  };
  builder = std::make_unique<weir::FlowBuilder>(settings, weir::RandomSeed(), give, kRowsForPython);
  return ReadAll(captures, builder.get());
}

// Payloads that were wished for, as (row, forward, backward).
nb::list Kept(const weir::FlowBatch& batch) {
  nb::list kept;
  for (const auto& [row, payloads] : batch.kept) {
    const auto& [forward, backward] = payloads;
    kept.append(nb::make_tuple(row, nb::bytes(forward.data(), forward.size()), nb::bytes(backward.data(), backward.size())));
  }
  return kept;
}

nb::dict ByName(const weir::Counts& counts) {
  nb::dict named;
  for (const auto& [name, number] : counts.Named()) {
    named[name.c_str()] = number;
  }
  return named;
}

std::vector<std::pair<std::string, std::string>> Schema() {
  std::vector<std::pair<std::string, std::string>> schema;
  for (const weir::ColumnDefinition& column : weir::FlowColumnDefinitions()) {
    schema.emplace_back(column.name, weir::ArrowFormat(column.type));
  }
  return schema;
}

// A broken capture is weir.errors.CaptureError, as everywhere else in the package.
void TranslateCaptureError(const std::exception_ptr& error, void*) {
  try {
    std::rethrow_exception(error);
  } catch (const weir::CaptureError& broken) {
    PyErr_SetString(nb::module_::import_("weir.errors").attr("CaptureError").ptr(), broken.what());
  }
}

// So that Ctrl-C ends a run that waits for packets.
void RunSignalHandlers() {
  const nb::gil_scoped_acquire locked;
  if (PyErr_CheckSignals() != 0) {
    throw nb::python_error();
  }
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() = "Flows out of captures: the C++ core of Weir.";
  nb::register_exception_translator(&TranslateCaptureError);
  weir::BeforeWaiting(&RunSignalHandlers);

  nb::class_<FlowBatch>(module, "FlowBatch")
      .def(
          "__arrow_c_array__", [](const FlowBatch& batch, const nb::object&) { return ArrayCapsules(batch); },
          nb::arg("requested_schema") = nb::none())
      .def("__arrow_c_schema__", [](const FlowBatch&) { return SchemaCapsule(); })
      .def("__len__", [](const FlowBatch& batch) { return batch.rows->rows; })
      .def_prop_ro("payloads", [](const FlowBatch& batch) { return Kept(*batch.rows); })
      .def_prop_ro("counts", [](const FlowBatch& batch) { return ByName(batch.counts); });

  module.def(
      "build_flows",
      [](const std::vector<std::string>& captures, const nb::object& idle_timeout_us, const nb::object& active_timeout_us,
         const nb::object& memory_bytes, bool parse_applications, const Wishes& payloads_of) {
        const weir::FlowSettings settings = AsSettings(idle_timeout_us, active_timeout_us, memory_bytes, parse_applications, payloads_of);
        const nb::gil_scoped_release others_may_run;
        return BuildFlows(captures, settings);
      },
      nb::arg("captures"), nb::kw_only(), nb::arg("idle_timeout_us"), nb::arg("active_timeout_us"), nb::arg("memory_bytes"),
      nb::arg("parse_applications") = true, nb::arg("payloads_of") = Wishes{});
  module.def(
      "stream_flows",
      [](const std::vector<std::string>& captures, const nb::callable& take, const nb::object& idle_timeout_us,
         const nb::object& active_timeout_us, const nb::object& memory_bytes, bool parse_applications, const Wishes& payloads_of) {
        const weir::FlowSettings settings = AsSettings(idle_timeout_us, active_timeout_us, memory_bytes, parse_applications, payloads_of);
        return ByName(StreamFlows(captures, take, settings));
      },
      nb::arg("captures"), nb::arg("take"), nb::kw_only(), nb::arg("idle_timeout_us"), nb::arg("active_timeout_us"), nb::arg("memory_bytes"),
      nb::arg("parse_applications") = true, nb::arg("payloads_of") = Wishes{});
  module.def("schema", &Schema);
  weir::DefineHeaders(module);
}
