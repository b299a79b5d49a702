// Captures in, flows out: reader, decoder and flow table in a row.
#pragma once

#include <cstdint>
#include <vector>

#include "columns/flow_columns.h"
#include "counts.h"
#include "decode/decoder.h"
#include "table/flow_table.h"

namespace weir {

class FlowBuilder {
 public:
  // Gives finished flows to `sink`, some thousands at once, while it reads.
  FlowBuilder(const FlowSettings& settings, const Seed& seed, FlowSink sink, std::int64_t batch_rows = kBatchRows);

  // Adds all packets of a capture, as going on where the one before ended. Throws CaptureError.
  void Read(CaptureFile* capture);

  // Adds one packet of the present capture; its bytes are needed during the call only.
  void Add(const Record& record);

  // Adds one packet whose bytes stay where they are until Settle(). Quicker, as flows are looked up for
  // many packets at once.
  void AddLasting(const Record& record) { Decode(record); }
  void Settle() { AddBatch(); }

  // Hands over the rows that are ready, without waiting for more of them.
  void HandOver();

  // Says that every packet up to this time was added, so that flows end which have been silent since
  // long before: on a silent wire no packet comes that could end them.
  void AdvanceTo(std::int64_t time_us);

  // Ends all flows and hands over the last batch, which may be empty. Afterwards the counts are final.
  void Finish();

  const Counts& counts() const { return counts_; }

 private:
  void Decode(const Record& record);
  void AddFoundLate();
  void AddBatch();

  Counts counts_;
  FlowColumns columns_;
  Decoder decoder_;
  FlowTable table_;
  std::vector<Packet> batch_;
  std::size_t batch_size_ = 0;
  std::uint32_t captures_ = 0;
};

}  // namespace weir
