#include "flow_columns.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "flow_row.h"
#include "flow_text.h"

namespace weir {
namespace {

// Moves the cells of a column, which are 0 afterwards.
using Mover = void (*)(unsigned char* cells, std::size_t bytes, unsigned char* to);

void MoveSome(unsigned char* cells, std::size_t bytes, unsigned char* to) {
  std::memcpy(to, cells, bytes);
  std::memset(cells, 0, bytes);
}

using ShortVector = std::uint32_t __attribute__((vector_size(16)));
using LongVector = std::uint32_t __attribute__((vector_size(32)));

// Those of a full tile, by vectors and without asking how many there are.
template <typename Vector>
[[gnu::always_inline]] inline void MoveFull(unsigned char* cells, std::size_t bytes, unsigned char* to) {
  constexpr std::size_t kPieceBytes = kTileRows * sizeof(std::int32_t);
  static_assert(kPieceBytes % sizeof(Vector) == 0);
  for (const unsigned char* const end = cells + bytes; cells != end; cells += kPieceBytes, to += kPieceBytes) {
    for (std::size_t at = 0; at < kPieceBytes; at += sizeof(Vector)) {
      Vector vector;
      std::memcpy(&vector, cells + at, sizeof vector);
      std::memcpy(to + at, &vector, sizeof vector);
      vector = Vector{};
      std::memcpy(cells + at, &vector, sizeof vector);
    }
  }
}

void MoveFullAnywhere(unsigned char* cells, std::size_t bytes, unsigned char* to) { MoveFull<ShortVector>(cells, bytes, to); }

#ifdef __x86_64__
__attribute__((target("avx2"))) void MoveFullWithAvx2(unsigned char* cells, std::size_t bytes, unsigned char* to) { MoveFull<LongVector>(cells, bytes, to); }
#endif

Mover FullMover() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") != 0) {
    return &MoveFullWithAvx2;
  }
#endif
  return &MoveFullAnywhere;
}

}  // namespace

FlowColumns::FlowColumns(FlowSink sink, std::int64_t batch_rows)
    : sink_(std::move(sink)), batch_rows_(batch_rows), tile_(std::make_unique<FlowTile>()) {
  TakeFreeBatch();
}

// A batch that nobody else holds, emptied, or a new one.
void FlowColumns::TakeFreeBatch() {
  batch_.reset();
  const auto is_free = [](const std::shared_ptr<FlowBatch>& batch) { return batch.use_count() == 1; };
  const auto found = std::ranges::find_if(batches_, is_free);
  if (found == batches_.end()) {
    batches_.push_back(NewBatch());
    batch_ = batches_.back();
  } else {
    std::atomic_thread_fence(std::memory_order_acquire);  // another thread may have let go of it
    batch_ = *found;
  }
  batch_->rows = 0;
  batch_->kept.clear();
  for (std::size_t i = 0; i < batch_->columns.size(); ++i) {
    FlowBatch::Column& column = batch_->columns[i];
    column.values.Clear();
    column.offsets.Clear();
    if (IsText(FlowColumnDefinitions()[i].type)) {
      column.offsets.Append(std::int32_t{0});
    }
  }
}

// Numbers have their room from the beginning, where there is an end to it.
std::shared_ptr<FlowBatch> FlowColumns::NewBatch() const {
  auto batch = std::make_shared<FlowBatch>();
  batch->columns.resize(FlowColumnDefinitions().size());
  const std::size_t rows = batch_rows_ == kAllRows ? 0 : static_cast<std::size_t>(batch_rows_) + kTileRows;
  for (FlowBatch::Column& column : batch->columns) {
    column.values.Reserve(rows * sizeof(std::int64_t));
  }
  return batch;
}

void FlowColumns::HandOver() {
  sink_(std::move(batch_));
  TakeFreeBatch();
}

std::size_t FlowColumns::NextRow() {
  if (tile_rows_ == kTileRows) {
    FlushTile();
  }
  return tile_rows_++;
}

void FlowColumns::AppendSingle(const FlowHead& head, const FirstPacket& first, EndReason reason) {
  WriteSingle(head, first, reason, NextRow(), tile_.get());
}

void FlowColumns::AppendPair(const FlowHead& head, const FirstPacket& first, const LaterPacket& second, EndReason reason) {
  WritePair(head, first, second, reason, NextRow(), tile_.get());
}

void FlowColumns::Append(const FlowHead& head, const FirstPacket& first, const FlowRecord& record, EndReason reason) {
  WriteRow(head, first, record, reason, NextRow(), tile_.get());
}

void FlowColumns::Flush() {
  FlushTile();
  HandOver();
}

void FlowColumns::AppendFields(std::unique_ptr<Fields> fields) {
  has_fields_ |= fields != nullptr;
  fields_[tile_rows_ - 1] = std::move(fields);
}

void FlowColumns::AppendPayloads(FirstPayloads payloads) {
  if (!payloads[kForward].empty() || !payloads[kBackward].empty()) {
    batch_->kept.push_back({batch_->rows + static_cast<std::int64_t>(tile_rows_) - 1, std::move(payloads)});
  }
}

// Texts come first, as some are made of numbers.
void FlowColumns::FlushTile() {
  const auto definitions = FlowColumnDefinitions();
  if (has_fields_) {
    GatherFields();
  }
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    if (IsText(definitions[i].type)) {
      FlushTexts(definitions[i], &batch_->columns[i]);
    }
  }
  FlushNumbers();
  batch_->rows += static_cast<std::int64_t>(tile_rows_);
  tile_rows_ = 0;
  if (has_fields_) {
    for (std::unique_ptr<Fields>& fields : fields_) {
      if (fields != nullptr) {
        read_fields_.push_back(std::move(fields));
      }
    }
    has_fields_ = false;
  }
  if (batch_->rows >= batch_rows_) {
    HandOver();
  }
}

// Leaves the cells empty for the rows to come, while they are in the cache.
void FlowColumns::FlushNumbers() {
  const auto definitions = FlowColumnDefinitions();
  const auto move = tile_rows_ == kTileRows ? FullMover() : &MoveSome;
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    if (definitions[i].type == ColumnType::kApplicationNumber) {
      FlushFieldNumbers(definitions[i], &batch_->columns[i]);
    } else if (!IsText(definitions[i].type)) {
      const std::size_t size = definitions[i].type == ColumnType::kInt32 ? sizeof(std::int32_t) : sizeof(std::int64_t);
      auto* cells = reinterpret_cast<unsigned char*>(tile_.get()) + definitions[i].offset;
      move(cells, tile_rows_ * size, batch_->columns[i].values.Extend(tile_rows_ * size));
    }
  }
}

// Turns fields into columns, each row once, as a row of them takes five cache lines.
void FlowColumns::GatherFields() {
  static_assert(kTileRows <= 64, "a bit for each row");
  FieldTile& tile = *field_tile_;
  tile.said.fill(0);
  for (std::array<std::int32_t, kTileRows>& numbers : tile.numbers) {
    numbers.fill(kUnsaid);
  }
  for (std::size_t row = 0; row < tile_rows_; ++row) {
    const Fields* fields = fields_[row].get();
    if (fields == nullptr) {
      continue;
    }
    for (std::uint32_t left = fields->said(); left != 0; left &= left - 1) {
      const auto field = static_cast<std::size_t>(std::countr_zero(left));
      tile.said[field] |= std::uint64_t{1} << row;
      tile.texts[field][row] = fields->Text(static_cast<TextField>(field));
    }
    for (std::size_t i = 0; i < kNumberFields; ++i) {
      tile.numbers[i][row] = fields->Number(static_cast<NumberField>(i));
    }
  }
}

void FlowColumns::FlushFieldNumbers(const ColumnDefinition& definition, FlowBatch::Column* column) const {
  auto* out = reinterpret_cast<std::int32_t*>(column->values.Extend(tile_rows_ * sizeof(std::int32_t)));
  if (has_fields_) {
    std::copy_n(field_tile_->numbers[definition.offset].begin(), tile_rows_, out);
  } else {
    std::fill_n(out, tile_rows_, kUnsaid);
  }
}

void FlowColumns::FlushFieldTexts(const ColumnDefinition& definition, FlowBatch::Column* column) const {
  const auto& texts = field_tile_->texts[definition.offset];
  auto* ends = reinterpret_cast<std::int32_t*>(column->offsets.Extend(tile_rows_ * sizeof(std::int32_t)));
  std::size_t row = 0;
  for (std::uint64_t left = has_fields_ ? field_tile_->said[definition.offset] : 0; left != 0; left &= left - 1) {
    const auto next = static_cast<std::size_t>(std::countr_zero(left));
    std::fill(ends + row, ends + next, static_cast<std::int32_t>(column->values.size()));
    std::ranges::copy(texts[next], column->values.Extend(texts[next].size()));
    row = next;
  }
  std::fill(ends + row, ends + tile_rows_, static_cast<std::int32_t>(column->values.size()));
}

void FlowColumns::FlushTexts(const ColumnDefinition& definition, FlowBatch::Column* column) const {
  const std::size_t before = column->values.size();
  const std::size_t room = tile_rows_ * LongestText(definition.type);
  if (before + room > std::numeric_limits<std::int32_t>::max()) {
    throw std::length_error("more flows than one table of text can hold; give fewer captures at once");
  }
  if (definition.type == ColumnType::kApplicationText) {
    FlushFieldTexts(definition, column);
    return;
  }
  auto* start = reinterpret_cast<char*>(column->values.Extend(room));
  auto* ends = reinterpret_cast<std::int32_t*>(column->offsets.Extend(tile_rows_ * sizeof(std::int32_t)));
  const char* end = WriteTexts(definition, *tile_, tile_rows_, static_cast<std::int32_t>(before), start, ends);
  column->values.Shrink(room - static_cast<std::size_t>(end - start));
}

}  // namespace weir
