// Captures in, flows out: reader, decoder and flow table in a row.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "counts.h"
#include "decoder.h"
#include "flow_columns.h"
#include "flow_table.h"

namespace weir {

class FlowBuilder {
 public:
  FlowBuilder(const FlowSettings& settings, const Seed& seed);

  // Adds all packets of a capture, as going on where the one before ended. Throws CaptureError.
  void Read(CaptureFile* capture);

  // Ends all flows. Afterwards the columns are whole and the counts final.
  void Finish();

  std::shared_ptr<const FlowColumns> columns() const { return columns_; }
  const Counts& counts() const { return counts_; }

 private:
  void AddBatch();

  Counts counts_;
  std::shared_ptr<FlowColumns> columns_ = std::make_shared<FlowColumns>();
  Decoder decoder_;
  FlowTable table_;
  std::vector<Packet> batch_;
  std::size_t batch_size_ = 0;
  std::uint32_t captures_ = 0;
};

}  // namespace weir
