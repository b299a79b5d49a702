// Finished flows as columns: exactly those of schema.FLOWS, in that order.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "application/fields.h"
#include "columns/flow_batch.h"
#include "columns/flow_tile.h"
#include "record/flow_record.h"

namespace weir {

class FlowColumns {
 public:
  // Hands over a batch whenever so many rows are ready.
  explicit FlowColumns(FlowSink sink, std::int64_t batch_rows = kBatchRows);

  // Adds the row of a flow of one packet, of two, or of more.
  void AppendSingle(const FlowHead& head, const FirstPacket& first, EndReason reason);
  void AppendPair(const FlowHead& head, const FirstPacket& first, const LaterPacket& second, EndReason reason);
  void Append(const FlowHead& head, const FirstPacket& first, const FlowRecord& record, EndReason reason);

  // Adds what is known of the application of the flow appended last.
  void AppendFields(const Fields& fields);

  // Adds the payloads that were kept of the flow appended last, if any were.
  void AppendPayloads(FirstPayloads payloads);

  // Hands over the rows that are left.
  void Flush();

 private:
  std::size_t NextRow();
  void FlushTile();
  void FlushNumbers();
  void FlushTexts(const ColumnDefinition& definition, FlowBatch::Column* column) const;
  void AppendText(TextField field, std::string_view text, std::size_t row);
  void AppendNumber(NumberField field, std::int32_t number, std::size_t row);
  void HandOver();
  void TakeFreeBatch();
  std::shared_ptr<FlowBatch> NewBatch() const;

  FlowSink sink_;
  std::int64_t batch_rows_;
  std::unique_ptr<FlowTile> tile_;
  std::size_t tile_rows_ = 0;
  std::shared_ptr<FlowBatch> batch_;                 // the one being filled
  std::vector<std::shared_ptr<FlowBatch>> batches_;  // all that were made, to be used again
};

}  // namespace weir
