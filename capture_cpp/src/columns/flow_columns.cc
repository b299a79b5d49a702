#include "columns/flow_columns.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "bytes.h"
#include "columns/flow_row.h"
#include "columns/flow_text.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace weir {
namespace {

// Moves the cells of a column, which are 0 afterwards.
using Mover = void (*)(unsigned char* cells, std::size_t bytes, unsigned char* to);

void MoveSome(unsigned char* cells, std::size_t bytes, unsigned char* to) {
  std::memcpy(to, cells, bytes);
  std::memset(cells, 0, bytes);
}

#ifdef __x86_64__

// Those of a full tile, past the caches, as nobody reads them before many others are written: to fetch the lines that they fill, and to
// push out others for them, took a quarter of the time of a SYN flood. `to` must be aligned like a vector.
template <std::size_t kBytes>
[[gnu::always_inline, gnu::target("avx2")]] inline void StreamPiece(unsigned char* cells, unsigned char* to) {
  static_assert(kBytes % sizeof(__m256i) == 0);
  for (std::size_t at = 0; at < kBytes; at += sizeof(__m256i)) {
    auto* const from = reinterpret_cast<__m256i*>(cells + at);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + at), _mm256_loadu_si256(from));
    _mm256_storeu_si256(from, _mm256_setzero_si256());
  }
}

[[gnu::target("avx2")]] void StreamFull(unsigned char* cells, std::size_t bytes, unsigned char* to) {
  constexpr std::size_t kShort = kTileRows * sizeof(std::int32_t);
  constexpr std::size_t kLong = kTileRows * sizeof(std::int64_t);
  if (bytes == kLong) [[likely]] {
    StreamPiece<kLong>(cells, to);
  } else {
    StreamPiece<kShort>(cells, to);
  }
}

Mover FullMover() { return __builtin_cpu_supports("avx2") != 0 ? &StreamFull : &MoveSome; }

// What went past the caches is there before anything that follows, for other threads too.
void FinishStreams() { _mm_sfence(); }

#else

Mover FullMover() { return &MoveSome; }
void FinishStreams() {}

#endif

// Offsets into a column of text have 32 bits.
constexpr std::size_t kMostTextBytes = std::numeric_limits<std::int32_t>::max();

[[noreturn, gnu::cold]] void RefuseText() { throw std::length_error("more flows than one table of text can hold; give fewer captures at once"); }

// The rows up to this one that said nothing.
void FillTexts(std::size_t rows, FlowBatch::Column* column) {
  const std::size_t missing = rows + 1 - column->offsets.size() / sizeof(std::int32_t);
  auto* ends = reinterpret_cast<std::int32_t*>(column->offsets.Extend(missing * sizeof(std::int32_t)));
  std::fill_n(ends, missing, static_cast<std::int32_t>(column->values.size()));
}

void FillNumbers(std::size_t rows, FlowBatch::Column* column) {
  const std::size_t missing = rows - column->values.size() / sizeof(std::int32_t);
  std::fill_n(reinterpret_cast<std::int32_t*>(column->values.Extend(missing * sizeof(std::int32_t))), missing, kUnsaid);
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
  const auto rows = static_cast<std::size_t>(batch_->rows);
  for (const std::size_t i : FieldTextColumns()) {
    FillTexts(rows, &batch_->columns[i]);
  }
  for (const std::size_t i : FieldNumberColumns()) {
    FillNumbers(rows, &batch_->columns[i]);
  }
  FinishStreams();
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

void FlowColumns::AppendFields(const Fields& fields) {
  const std::size_t row = static_cast<std::size_t>(batch_->rows) + tile_rows_ - 1;
  fields.Visit([&](TextField field, std::string_view text) { AppendText(field, text, row); },
               [&](NumberField field, std::int32_t number) { AppendNumber(field, number, row); });
}

// Most rows say nothing in most fields, so those that do not are caught up with when one does, or
// when the batch is full.
void FlowColumns::AppendText(TextField field, std::string_view text, std::size_t row) {
  FlowBatch::Column* column = &batch_->columns[FieldTextColumns()[static_cast<std::size_t>(field)]];
  if (column->values.size() + text.size() > kMostTextBytes) {
    RefuseText();
  }
  FillTexts(row, column);
  CopyFew(column->values.Extend(text.size()), text.data(), text.size());
  column->offsets.Append(static_cast<std::int32_t>(column->values.size()));
}

void FlowColumns::AppendNumber(NumberField field, std::int32_t number, std::size_t row) {
  FlowBatch::Column* column = &batch_->columns[FieldNumberColumns()[static_cast<std::size_t>(field)]];
  FillNumbers(row, column);
  column->values.Append(number);
}

void FlowColumns::AppendPayloads(FirstPayloads payloads) {
  if (!payloads[kForward].empty() || !payloads[kBackward].empty()) {
    batch_->kept.push_back({batch_->rows + static_cast<std::int64_t>(tile_rows_) - 1, std::move(payloads)});
  }
}

// Texts come first, as some are made of numbers.
void FlowColumns::FlushTile() {
  for (const std::size_t i : TileTextColumns()) {
    FlushTexts(FlowColumnDefinitions()[i], &batch_->columns[i]);
  }
  FlushNumbers();
  batch_->rows += static_cast<std::int64_t>(tile_rows_);
  tile_rows_ = 0;
  if (batch_->rows >= batch_rows_) {
    HandOver();
  }
}

// Leaves the cells empty for the rows to come, while they are in the cache.
void FlowColumns::FlushNumbers() {
  const auto definitions = FlowColumnDefinitions();
  const auto move = tile_rows_ == kTileRows ? FullMover() : &MoveSome;
  for (const std::size_t i : TileNumberColumns()) {
    const std::size_t bytes = tile_rows_ * (definitions[i].type == ColumnType::kInt32 ? sizeof(std::int32_t) : sizeof(std::int64_t));
    auto* cells = reinterpret_cast<unsigned char*>(tile_.get()) + definitions[i].offset;
    move(cells, bytes, batch_->columns[i].values.Extend(bytes));
  }
}

void FlowColumns::FlushTexts(const ColumnDefinition& definition, FlowBatch::Column* column) const {
  const std::size_t before = column->values.size();
  const std::size_t room = tile_rows_ * LongestText(definition.type);
  if (before + room > kMostTextBytes) {
    RefuseText();
  }
  auto* start = reinterpret_cast<char*>(column->values.Extend(room));
  auto* ends = reinterpret_cast<std::int32_t*>(column->offsets.Extend(tile_rows_ * sizeof(std::int32_t)));
  const char* end = WriteTexts(definition, *tile_, tile_rows_, static_cast<std::int32_t>(before), start, ends);
  column->values.Shrink(room - static_cast<std::size_t>(end - start));
}

}  // namespace weir
