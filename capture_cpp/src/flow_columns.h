// Finished flows as columns: exactly those of schema.FLOWS, in that order.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "application/fields.h"
#include "flow_batch.h"
#include "flow_record.h"
#include "flow_tile.h"

namespace weir {

class FlowColumns {
 public:
  // Hands over a batch whenever so many rows are ready.
  explicit FlowColumns(FlowSink sink, std::int64_t batch_rows = kBatchRows);

  // Adds the row of a flow of one packet, or of more.
  void AppendSingle(const FlowHead& head, const FirstPacket& first, EndReason reason);
  void Append(const FlowHead& head, const FirstPacket& first, const FlowRecord& record, EndReason reason);

  // Adds what is known of the application of the flow appended last, if anything.
  void AppendFields(std::unique_ptr<Fields> fields);

  // Calls `take` with each of the fields that were read since.
  template <typename Take>
  void GiveBackFields(const Take& take) {
    for (std::unique_ptr<Fields>& fields : read_fields_) {
      take(std::move(fields));
    }
    read_fields_.clear();
  }

  // Adds the payloads that were kept of the flow appended last, if any were.
  void AppendPayloads(FirstPayloads payloads);

  // Hands over the rows that are left.
  void Flush();

 private:
  std::size_t NextRow();
  void FlushTile();
  void FlushNumbers();
  void FlushTexts(const ColumnDefinition& definition, FlowBatch::Column* column) const;
  void FlushFieldNumbers(const ColumnDefinition& definition, FlowBatch::Column* column) const;
  void FlushFieldTexts(const ColumnDefinition& definition, FlowBatch::Column* column) const;
  void GatherFields();
  void HandOver();
  void TakeFreeBatch();
  std::shared_ptr<FlowBatch> NewBatch() const;

  FlowSink sink_;
  std::int64_t batch_rows_;
  std::unique_ptr<FlowTile> tile_;
  std::size_t tile_rows_ = 0;
  std::array<std::unique_ptr<Fields>, kTileRows> fields_;  // of the tile's rows; none for most
  bool has_fields_ = false;
  // The tile's fields as columns, where it has any.
  struct FieldTile {
    std::array<std::uint64_t, kTextFields> said = {};  // a bit for each row that has the text
    std::array<std::array<std::string_view, kTileRows>, kTextFields> texts;
    std::array<std::array<std::int32_t, kTileRows>, kNumberFields> numbers = {};
  };
  std::unique_ptr<FieldTile> field_tile_ = std::make_unique<FieldTile>();
  std::vector<std::unique_ptr<Fields>> read_fields_;
  std::shared_ptr<FlowBatch> batch_;                 // the one being filled
  std::vector<std::shared_ptr<FlowBatch>> batches_;  // all that were made, to be used again
};

}  // namespace weir
