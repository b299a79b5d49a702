// Captures in, flows out: reader, decoder and flow table in a row.
#pragma once

#include <cstdint>
#include <vector>

#include "counts.h"
#include "decoder.h"
#include "flow_columns.h"
#include "flow_table.h"

namespace weir {

class FlowBuilder {
 public:
  // Gives finished flows to `sink`, some thousands at once, while it reads.
  FlowBuilder(const FlowSettings& settings, const Seed& seed, FlowSink sink, std::int64_t batch_rows = kBatchRows);

  // Adds all packets of a capture, as going on where the one before ended. Throws CaptureError.
  void Read(CaptureFile* capture);

  // Adds one packet of the present capture; its bytes are needed during the call only.
  void Add(const Record& record);

  // Ends all flows and hands over the last batch, which may be empty. Afterwards the counts are final.
  void Finish();

  const Counts& counts() const { return counts_; }

 private:
  void Decode(const Record& record);
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
