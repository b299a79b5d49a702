#include "columns/arrow.h"

#include <array>
#include <vector>

namespace weir {
namespace {

constexpr std::int64_t kNumberBuffers = 2;  // validity (none: nothing is null) and values
constexpr std::int64_t kTextBuffers = 3;    // validity, offsets and characters
constexpr std::int64_t kStructBuffers = 1;  // validity
constexpr std::uint64_t kNothing = 0;       // what an empty column points at

struct SchemaOwner {
  std::vector<ArrowSchema> children;
  std::vector<ArrowSchema*> pointers;
};

struct ArrayOwner {
  std::shared_ptr<const FlowBatch> batch;
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
  std::vector<std::array<const void*, kTextBuffers>> buffers;
  const void* no_validity = nullptr;
};

// A consumer may move a child out and set its release to null; the owner frees what all share.
void ReleaseChild(ArrowSchema* schema) { schema->release = nullptr; }
void ReleaseChild(ArrowArray* array) { array->release = nullptr; }

template <typename Owner, typename Exported>
void ReleaseWhole(Exported* exported) {
  delete static_cast<Owner*>(exported->private_data);
  exported->release = nullptr;
}

const void* DataOf(const ColumnBuffer& buffer) { return buffer.data() != nullptr ? buffer.data() : &kNothing; }

}  // namespace

const char* ArrowFormat(ColumnType type) {
  switch (type) {
    case ColumnType::kInt64:
      return "l";
    case ColumnType::kInt32:
    case ColumnType::kApplicationNumber:
      return "i";
    case ColumnType::kFloat64:
      return "g";
    default:
      break;
  }
  return "u";
}

void ExportSchema(ArrowSchema* schema) {
  const auto definitions = FlowColumnDefinitions();
  auto owner = std::make_unique<SchemaOwner>();
  owner->children.reserve(definitions.size());
  for (const ColumnDefinition& definition : definitions) {
    owner->children.push_back({ArrowFormat(definition.type), definition.name, nullptr, 0, 0, nullptr, nullptr, &ReleaseChild, nullptr});
    owner->pointers.push_back(&owner->children.back());
  }
  const auto count = static_cast<std::int64_t>(definitions.size());
  *schema = {"+s", "", nullptr, 0, count, owner->pointers.data(), nullptr, &ReleaseWhole<SchemaOwner, ArrowSchema>, nullptr};
  schema->private_data = owner.release();
}

void ExportArray(const std::shared_ptr<const FlowBatch>& batch, ArrowArray* array) {
  const auto definitions = FlowColumnDefinitions();
  auto owner = std::make_unique<ArrayOwner>();
  owner->batch = batch;
  owner->children.reserve(definitions.size());
  owner->buffers.reserve(definitions.size());
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    const FlowBatch::Column& column = batch->columns[i];
    const bool is_text = IsText(definitions[i].type);
    if (is_text) {
      owner->buffers.push_back({nullptr, DataOf(column.offsets), DataOf(column.values)});
    } else {
      owner->buffers.push_back({nullptr, DataOf(column.values), nullptr});
    }
    owner->children.push_back({batch->rows, 0, 0, is_text ? kTextBuffers : kNumberBuffers, 0, owner->buffers.back().data(), nullptr, nullptr,
                               &ReleaseChild, nullptr});
    owner->pointers.push_back(&owner->children.back());
  }
  const auto count = static_cast<std::int64_t>(definitions.size());
  *array = {batch->rows, 0, 0, kStructBuffers, count, &owner->no_validity, owner->pointers.data(), nullptr,
            &ReleaseWhole<ArrayOwner, ArrowArray>, nullptr};
  array->private_data = owner.release();
}

}  // namespace weir
